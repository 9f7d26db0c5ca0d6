// The lanes of the map, and the phases of each device, gateway and application.

import { type EventStore, FAULT, NOTE, STATE } from "./store";
import { natural } from "./format";

const PHASES = new Set([
  "Pending", "Enrolling", "Enrolled", "Connected", "Disconnected", "Failed", "Creating", "Deploying", "Deployed", "Running", "PartiallyRunning",
  "Unknown", "Stopping", "Stopped", "Error", "Online", "Offline",
]);

export class Lane {
  /** The time at which each phase begins; "" after the object was deleted. */
  readonly phases: [at: number, phase: string][] = [];

  readonly faults: Uint32Array;

  constructor(readonly name: string, readonly events: Uint32Array, store: EventStore, subject: boolean) {
    this.faults = events.filter((n) => store.kind[n] === FAULT);
    if (!subject) return;
    let last = "";
    for (const n of events) {
      if (store.subject(n) !== name) continue;
      if (store.kind[n] === NOTE) {
        // While a gateway is down, its status still has the last phase that it wrote.
        if (store.name(n) === "gateway down") this.phases.push([store.at[n]!, "down"]);
        else if (store.name(n) === "gateway up" && last) this.phases.push([store.at[n]!, last]);
        continue;
      }
      if (store.kind[n] !== STATE) continue;
      const said = store.brief(n);
      if (PHASES.has(said)) last = said;
      if (PHASES.has(said)) this.phases.push([store.at[n]!, said]);
      else if (said === "deleted") this.phases.push([store.at[n]!, ""]);
    }
  }

  phaseAt(at: number): string {
    let phase = "";
    for (const [start, said] of this.phases) {
      if (start > at) break;
      phase = said;
    }
    return phase;
  }

  holds(n: number): boolean {
    let low = 0, high = this.events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.events[middle]! < n) low = middle + 1;
      else high = middle;
    }
    return this.events[low] === n;
  }
}

/** A lane for each object with phases, applications last, and for each board without a resource. */
export function boardLanes(store: EventStore): Lane[] {
  const kinds = new Map<string, number>();
  const order = ["Gateway", "Device", "Application"];
  for (let n = 0; n < store.length; n += 1) {
    if (store.kind[n] === STATE) kinds.set(store.subject(n), order.indexOf(store.name(n)));
    else if (store.source(n) === "Device" && !kinds.has(store.subject(n))) kinds.set(store.subject(n), 1);
  }
  return [...kinds].filter(([name]) => name).sort(([a, first], [b, second]) => first - second || natural(a, b))
    .map(([name]) => new Lane(name, store.about(name), store, true));
}

export function participantLanes(store: EventStore): Lane[] {
  const found = new Map<number, number[]>();
  for (let n = 0; n < store.length; n += 1) {
    const [source, target] = [store.sourceIds[n]!, store.targetIds[n]!];
    for (const id of source === target ? [source] : [source, target]) {
      const list = found.get(id);
      if (list) list.push(n);
      else if (id) found.set(id, [n]);
    }
  }
  return [...found].map(([id, list]) => new Lane(store.strings[id]!, Uint32Array.from(list), store, false)).sort((a, b) => natural(a.name, b.name));
}
