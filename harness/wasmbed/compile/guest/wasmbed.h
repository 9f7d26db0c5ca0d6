/* The host interface for applications in C (docs/host-interface.md). */
#ifndef WASMBED_H
#define WASMBED_H

#define WASMBED_IMPORT(name) __attribute__((import_module("wasmbed"), import_name(#name)))
/* Put before run and tick: WASMBED_EXPORT(run) void run(void) { ... } */
#define WASMBED_EXPORT(name) __attribute__((export_name(#name)))

enum wasmbed_level { WASMBED_ERROR, WASMBED_WARNING, WASMBED_INFO, WASMBED_DEBUG };

/* Writes a line of UTF-8 text to the console. */
WASMBED_IMPORT(log) void wasmbed_log(int level, const char *text, int length);
/* Milliseconds since the device booted. */
WASMBED_IMPORT(clock_ms) long long wasmbed_clock_ms(void);
/* Publishes a payload under a topic. 0: taken; -1: refused. */
WASMBED_IMPORT(publish) int wasmbed_publish(const char *topic, int topic_length, const void *payload, int payload_length);
/* Reads a sensor channel, in thousandths of its unit. */
WASMBED_IMPORT(sensor_read) int wasmbed_sensor_read(int channel);
/* Sets an output pin: 0 low, anything else high. */
WASMBED_IMPORT(gpio_write) void wasmbed_gpio_write(int pin, int level);
/* Copies the index-th argument, at most capacity bytes of it. Its whole length, or -1: absent. */
WASMBED_IMPORT(argument) int wasmbed_argument(int index, char *buffer, int capacity);
/* Copies an environment variable's value, at most capacity bytes of it. Its whole length, or -1: absent. */
WASMBED_IMPORT(environment) int wasmbed_environment(const char *name, int name_length, char *buffer, int capacity);

#endif
