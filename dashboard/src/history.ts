// The past of devices since the page was opened: their phases, their applications' states and their metrics, with bounds.

import type { Device, Kind, Kinds } from "./types";

export interface Mark {
  at: number;
  value: string;
}

export interface Past {
  /** By lane: `status`, `gateway`, or `app:NAME`. */
  lanes: Map<string, Mark[]>;
  /** By metric. */
  numbers: Map<string, { at: number; value: number }[]>;
}

const MOST_MARKS = 200;
const MOST_LANES = 40;

export const opened = Date.now();
const past = new Map<string, Past>();

export function pastOf(device: string): Past | undefined {
  return past.get(device);
}

/** Take in an object as an event or a list showed it; null is one that was deleted. */
export function remember(kind: Kind, name: string, object: Kinds[Kind] | null): void {
  if (kind !== "device") return;
  if (object === null) {
    past.delete(name);
    return;
  }
  const device = object as Device;
  const now = Date.now();
  let own = past.get(name);
  if (!own) past.set(name, (own = { lanes: new Map(), numbers: new Map() }));
  mark(own, "status", device.status, now);
  mark(own, "gateway", device.gateway ?? "", now);
  for (const [app, state] of Object.entries(device.applications)) mark(own, `app:${app}`, state, now);
  for (const lane of own.lanes.keys()) {
    if (lane.startsWith("app:") && !(lane.slice(4) in device.applications)) mark(own, lane, "", now);
  }
  for (const [metric, value] of Object.entries(device.metrics)) {
    if (typeof value !== "number") continue;
    const points = own.numbers.get(metric) ?? [];
    own.numbers.set(metric, points);
    points.push({ at: now, value });
    if (points.length > MOST_MARKS) points.shift();
  }
}

function mark(own: Past, lane: string, value: string, at: number): void {
  let marks = own.lanes.get(lane);
  if (!marks) {
    if (own.lanes.size >= MOST_LANES || !value) return;
    own.lanes.set(lane, (marks = []));
  }
  if (marks.at(-1)?.value === value) return;
  marks.push({ at, value });
  if (marks.length > MOST_MARKS) marks.shift();
}
