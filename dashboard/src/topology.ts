// Places and paints the three levels of the topology.

import { toneOf, type Tone } from "./tone";
import type { Device } from "./types";

export interface Group {
  name: string;
  /** Null for devices that no gateway serves. */
  status: string | null;
  devices: readonly Device[];
}

export interface Dot {
  x: number;
  y: number;
  device: Device;
}

interface Box {
  x: number;
  y: number;
  width: number;
  title: string;
  tone: Tone | null;
}

export interface Picture {
  height: number;
  root: Box;
  boxes: Box[];
  dots: Dot[];
  cell: number;
}

const BOX = 34;
const LEVEL = 84;
const GAP = 24;
const LEAST = 150;

/** Put gateways side by side, in as many lines as the width needs, and the devices of each below it. */
export function place(groups: readonly Group[], width: number, title: string): Picture {
  const columns = Math.max(1, Math.min(groups.length, Math.floor(width / LEAST)));
  const share = width / columns;
  const most = Math.max(...groups.map((each) => each.devices.length), 1);
  const cell = most > 400 ? 12 : most > 60 ? 16 : 24;
  const root: Box = { x: width / 2, y: BOX / 2 + 4, width: 140, title, tone: null };
  const boxes: Box[] = [];
  const dots: Dot[] = [];
  let top = LEVEL;
  for (let first = 0; first < groups.length; first += columns) {
    let bottom = top;
    groups.slice(first, first + columns).forEach((group, index) => {
      const left = index * share + GAP / 2;
      const room = share - GAP;
      const box: Box = { x: left + room / 2, y: top + BOX / 2, width: Math.min(room, 180), title: group.name, tone: group.status === null ? null : toneOf(group.status) };
      boxes.push(box);
      const fitting = Math.max(1, Math.floor(room / cell));
      const used = Math.min(fitting, Math.max(1, group.devices.length));
      const begin = box.x - (used * cell) / 2;
      group.devices.forEach((device, at) => {
        dots.push({ x: begin + (at % used) * cell + cell / 2, y: top + BOX + GAP + Math.floor(at / used) * cell + cell / 2, device });
      });
      bottom = Math.max(bottom, top + BOX + GAP + Math.ceil(group.devices.length / used) * cell);
    });
    top = bottom + GAP;
  }
  return { height: top, root, boxes, dots, cell };
}

export function find(picture: Picture, x: number, y: number): Dot | null {
  const reach = picture.cell / 2;
  return picture.dots.find((each) => Math.abs(each.x - x) <= reach && Math.abs(each.y - y) <= reach) ?? null;
}

export function draw(canvas: HTMLCanvasElement, picture: Picture, width: number, live: boolean): void {
  const scale = devicePixelRatio;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(picture.height * scale);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${picture.height}px`;
  const context = canvas.getContext("2d");
  if (!context) return;
  const colour = palette(canvas);
  context.scale(scale, scale);
  context.strokeStyle = colour.edge;
  context.lineWidth = 1.5;
  for (const box of picture.boxes) {
    context.globalAlpha = box.tone ? 1 : 0.4;
    context.beginPath();
    context.moveTo(picture.root.x, picture.root.y + BOX / 2);
    context.bezierCurveTo(picture.root.x, box.y - BOX, box.x, picture.root.y + BOX, box.x, box.y - BOX / 2);
    context.stroke();
  }
  context.globalAlpha = 1;
  paintBox(context, { ...picture.root, tone: live ? "good" : "warn" }, colour);
  for (const box of picture.boxes) paintBox(context, box, colour);
  const radius = picture.cell * 0.36;
  for (const { x, y, device } of picture.dots) {
    context.fillStyle = colour[toneOf(device.status)];
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
  }
}

type Palette = Record<Tone | "edge" | "ink" | "panel", string>;

/** The colours of the style sheet, as the theme has them: a canvas does not know `light-dark()`. */
function palette(near: HTMLElement): Palette {
  const probe = document.createElement("span");
  near.parentElement?.append(probe);
  const read = (name: string) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const names = ["good", "busy", "idle", "warn", "bad", "edge", "ink", "panel"] as const;
  const found = Object.fromEntries(names.map((name) => [name, read(name)])) as Palette;
  probe.remove();
  return found;
}

function paintBox(context: CanvasRenderingContext2D, box: Box, colour: Palette): void {
  context.beginPath();
  context.roundRect(box.x - box.width / 2, box.y - BOX / 2, box.width, BOX, 8);
  context.fillStyle = colour.panel;
  context.fill();
  context.strokeStyle = box.tone ? colour[box.tone] : colour.edge;
  context.lineWidth = 2;
  context.stroke();
  context.fillStyle = colour.ink;
  context.font = "600 13px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(box.title, box.x, box.y, box.width - 16);
}
