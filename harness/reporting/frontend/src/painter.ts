// Draws the map: only visible lanes, and one event for each pixel.

import type { Lane } from "./lanes";
import { CONSOLE, type EventStore, FAULT, NOTE, STATE } from "./store";

export const AXIS = 20, LANES_TOP = 4;
const NEAR = 6;

export type Span = readonly [from: number, to: number];
export interface Geometry { width: number; room: number; gutter: number; height: number; top: number; span: Span }
interface Marks { chosen: number | null; faults: number[]; drag: [number, number] | null; over: number | null }

const GOOD = new Set(["Connected", "Running", "Online"]), BAD = new Set(["Failed", "Error"]);
const OFF = new Set(["Disconnected", "Stopped", "Offline", "Unknown", "down"]);

function colours(canvas: HTMLCanvasElement): (name: string) => string {
  const style = getComputedStyle(canvas);
  const known = new Map<string, string>();
  return (name) => {
    let colour = known.get(name);
    if (colour === undefined) known.set(name, (colour = style.getPropertyValue(`--${name}`).trim()));
    return colour;
  };
}

export function draw(canvas: HTMLCanvasElement, store: EventStore, lanes: Lane[], geometry: Geometry, marks: Marks): void {
  const { width, room, gutter, height, top, span } = geometry;
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(room * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(room * ratio);
  }
  canvas.style.width = `${width}px`;
  const context = canvas.getContext("2d")!, colour = colours(canvas);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, room);
  const x = (at: number): number => gutter + ((at - span[0]) / (span[1] - span[0])) * (width - gutter);
  const bottom = room - AXIS;
  context.font = `11px ${getComputedStyle(canvas).fontFamily}`;
  axis(context, geometry, x, colour);
  context.save();
  context.beginPath();
  context.rect(0, 0, width, bottom);
  context.clip();
  const first = Math.max(0, Math.floor(top / height)), last = Math.min(lanes.length, Math.ceil((top + bottom) / height));
  const y = (index: number): number => (height < 2 ? Math.floor(LANES_TOP + index * height - top) : LANES_TOP + index * height - top);
  for (let index = first; index < last; index += 1) phases(context, store, lanes[index]!, y(index), geometry, x, colour);
  for (let index = first; index < last; index += 1) ticks(context, store, lanes[index]!, y(index), geometry, x, colour);
  names(context, lanes, first, last, geometry, colour);
  context.restore();
  context.fillStyle = colour("fault");
  let before = -9;
  for (const n of marks.faults) {
    const at = Math.round(x(store.at[n]!));
    if (at < gutter || at > width || at === before) continue;
    before = at;
    if (store.target(n) !== "Device" && store.source(n) !== "Device") context.fillRect(at, 0, 1, bottom);
    context.fillRect(at - 1, bottom - 5, 2, 5);
  }
  context.globalAlpha = 1;
  if (marks.chosen !== null) {
    const at = x(store.at[marks.chosen]!);
    context.fillStyle = colour("ink");
    if (at >= gutter) context.fillRect(Math.round(at) - 1, 0, 2, bottom + 4);
  }
  if (marks.drag) {
    context.fillStyle = colour("focus");
    context.globalAlpha = 0.2;
    context.fillRect(Math.max(gutter, Math.min(...marks.drag)), 0, Math.abs(marks.drag[1] - marks.drag[0]), bottom);
    context.globalAlpha = 1;
  } else if (marks.over !== null && marks.over >= gutter) {
    context.fillStyle = colour("soft");
    context.fillRect(Math.round(marks.over), 0, 1, bottom);
  }
}

type X = (at: number) => number;
type Colour = (name: string) => string;

function axis(context: CanvasRenderingContext2D, { width, room, gutter, span }: Geometry, x: X, colour: Colour): void {
  const bottom = room - AXIS, raw = (span[1] - span[0]) / Math.max(2, (width - gutter) / 90);
  const power = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].map((base) => base * power).find((value) => value >= raw)!;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  context.strokeStyle = colour("rule");
  context.fillStyle = colour("soft");
  context.lineWidth = 1;
  context.textAlign = "center";
  for (let turn = Math.ceil(span[0] / step); turn * step <= span[1]; turn += 1) {
    const at = Math.round(x(turn * step)) + 0.5;
    context.beginPath();
    context.moveTo(at, 0);
    context.lineTo(at, bottom + 3);
    context.stroke();
    if (at < width - 16 && at > 10) context.fillText(`${(turn * step).toFixed(digits)}${turn === 0 ? " s" : ""}`, at, room - 6);
  }
  context.beginPath();
  context.moveTo(gutter, bottom + 0.5);
  context.lineTo(width, bottom + 0.5);
  context.stroke();
}

const thickness = (height: number): number => (height < 2 ? Math.ceil(height) : height - (height > 8 ? 4 : height > 3 ? 1 : 0));

function phases(context: CanvasRenderingContext2D, store: EventStore, lane: Lane, y: number, { gutter, height, width }: Geometry, x: X, colour: Colour): void {
  const inner = thickness(height);
  lane.phases.forEach(([at, phase], index) => {
    const from = Math.max(gutter, x(at)), to = Math.min(width, x(lane.phases[index + 1]?.[0] ?? store.end));
    if (!phase || to <= gutter || from >= width) return;
    context.fillStyle = colour(GOOD.has(phase) ? "phase-good" : BAD.has(phase) ? "phase-bad" : OFF.has(phase) ? "phase-off" : "phase-way");
    context.fillRect(from, y, Math.max(to - from, 1), inner);
  });
}

function ticks(context: CanvasRenderingContext2D, store: EventStore, lane: Lane, y: number, { height, span }: Geometry, x: X, colour: Colour): void {
  const inner = thickness(height);
  // Thin lanes show phases and faults only.
  const events = height > 8 || !lane.phases.length ? lane.events : lane.faults;
  let before = -1, drawn = -1;
  for (let index = store.lowerBound(span[0], events); index < events.length; index += 1) {
    const n = events[index]!, kind = store.kind[n]!;
    if (store.at[n]! > span[1]) break;
    const at = Math.round(x(store.at[n]!));
    if (at === before && (kind === drawn || kind !== FAULT)) continue;
    before = at;
    drawn = kind;
    if (kind === FAULT) {
      context.fillStyle = colour("fault");
      context.fillRect(at - 1, y, 3, Math.max(3, inner));
    } else if (height > 8) {
      context.fillStyle = colour(kind === STATE ? "state" : kind === NOTE ? "note" : kind === CONSOLE ? "tick-soft" : "tick");
      const size = kind === CONSOLE ? 3 : inner - 4;
      context.fillRect(at, y + inner - 2 - size, 1, size);
    } else {
      context.fillStyle = colour("tick");
      context.fillRect(at, y, 1, inner);
    }
  }
}

function names(context: CanvasRenderingContext2D, lanes: Lane[], first: number, last: number, { gutter, height, top }: Geometry, colour: Colour): void {
  context.fillStyle = colour("paper");
  context.fillRect(0, 0, gutter - 4, 4096);
  context.fillStyle = colour("soft");
  context.textAlign = "left";
  const every = Math.max(1, Math.ceil(16 / height));
  for (let index = first - (first % every); index < last; index += every) {
    if (index < 0) continue;
    let name = lanes[index]!.name;
    while (name.length > 3 && context.measureText(name).width > gutter - 12) name = `${name.slice(0, -2)}\u2026`;
    context.fillText(name, 0, Math.max(10, LANES_TOP + index * height - top + Math.min(height / 2 + 2, 10)));
  }
}

/** The lane under the pointer and the nearest event in it; a fault's line belongs to every lane. */
export function hit(store: EventStore, lanes: Lane[], geometry: Geometry, px: number, py: number, faults: number[]): { event: number | null; lane: Lane | null } {
  const { gutter, height, top, span, width } = geometry;
  if (px < gutter) return { event: null, lane: null };
  const lane = lanes[Math.floor((py + top - LANES_TOP) / height)] ?? null;
  const at = span[0] + ((px - gutter) / (width - gutter)) * (span[1] - span[0]), reach = (NEAR / (width - gutter)) * (span[1] - span[0]);
  const nearest = (events: ArrayLike<number>, from: number): number | null => {
    let best: number | null = null;
    for (let index = Math.max(0, from - 1); index <= from && index < events.length; index += 1) {
      const n = events[index]!;
      if (Math.abs(store.at[n]! - at) < reach && (best === null || Math.abs(store.at[n]! - at) < Math.abs(store.at[best]! - at))) best = n;
    }
    return best;
  };
  const own = lane ? nearest(lane.events, store.lowerBound(at, lane.events)) : null;
  return { event: own ?? nearest(faults, store.lowerBound(at, Uint32Array.from(faults))), lane };
}
