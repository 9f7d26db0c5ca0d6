// The host interface for applications in AssemblyScript (docs/host-interface.md).

// @ts-ignore: decorator
@external("wasmbed", "log")
declare function host_log(level: i32, pointer: usize, length: i32): void;
// @ts-ignore: decorator
@external("wasmbed", "clock_ms")
declare function host_clock_ms(): i64;
// @ts-ignore: decorator
@external("wasmbed", "publish")
declare function host_publish(topic: usize, topicLength: i32, payload: usize, payloadLength: i32): i32;
// @ts-ignore: decorator
@external("wasmbed", "sensor_read")
declare function host_sensor_read(channel: i32): i32;
// @ts-ignore: decorator
@external("wasmbed", "gpio_write")
declare function host_gpio_write(pin: i32, level: i32): void;
// @ts-ignore: decorator
@external("wasmbed", "argument")
declare function host_argument(index: i32, pointer: usize, capacity: i32): i32;
// @ts-ignore: decorator
@external("wasmbed", "environment")
declare function host_environment(name: usize, nameLength: i32, pointer: usize, capacity: i32): i32;

/** The most bytes that the host takes, and that are kept of an argument or a variable. */
const TOPIC: i32 = 128;
const PAYLOAD: i32 = 1024;
const LINE: i32 = 256;
const KEPT: i32 = 64;
// Texts for the host are encoded here, so that an application which allocates nothing needs no memory manager.
const topicPlace = memory.data(TOPIC);
const payloadPlace = memory.data(PAYLOAD);

function encode(text: string, place: usize): i32 {
  return <i32>String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, place);
}

/** Writes a line to the console; what is longer than 256 characters is cut off. */
export function log(text: string): void {
  const length = min(text.length, LINE);
  host_log(2, payloadPlace, <i32>String.UTF8.encodeUnsafe(changetype<usize>(text), length, payloadPlace));
}

/** Milliseconds since the device booted. */
export function clock_ms(): i64 {
  return host_clock_ms();
}

/** Publishes a text under a topic; false: one of them is too long, or the host refused it. */
export function publish(topic: string, payload: string): bool {
  if (String.UTF8.byteLength(topic) > TOPIC || String.UTF8.byteLength(payload) > PAYLOAD) return false;
  return host_publish(topicPlace, encode(topic, topicPlace), payloadPlace, encode(payload, payloadPlace)) == 0;
}

/** Reads a sensor, in thousandths of its unit. */
export function sensor_read(channel: i32): i32 {
  return host_sensor_read(channel);
}

/** Sets an output pin. */
export function gpio_write(pin: i32, high: bool): void {
  host_gpio_write(pin, high ? 1 : 0);
}

/** Returns the index-th argument, cut off at 64 bytes, or null. */
export function argument(index: i32): string | null {
  const length = host_argument(index, payloadPlace, KEPT);
  return length < 0 ? null : String.UTF8.decodeUnsafe(payloadPlace, min(length, KEPT));
}

/** Returns an environment variable's value, cut off at 64 bytes, or null. */
export function environment(name: string): string | null {
  if (String.UTF8.byteLength(name) > TOPIC) return null;
  const length = host_environment(topicPlace, encode(name, topicPlace), payloadPlace, KEPT);
  return length < 0 ? null : String.UTF8.decodeUnsafe(payloadPlace, min(length, KEPT));
}
