// Text for numbers, times and names.

import type { Test } from "./data";

export function seconds(value: number): string {
  if (value >= 90) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  if (value >= 10) return `${value.toFixed(1)} s`;
  if (value >= 0.0995) return `${value.toFixed(2)} s`;
  return `${(value * 1000).toFixed(value < 0.01 && value > 0 ? 1 : 0)} ms`;
}

/** A time on an axis or in a row: always in seconds, so that the rows align. */
export const clock = (value: number): string => value.toFixed(3);

export const count = (value: number): string => value.toLocaleString("en-US");

export const plural = (value: number, word: string): string => `${count(value)} ${word}${value === 1 ? "" : "s"}`;

export function quantity(value: number, unit: string): string {
  if (unit === "bytes") {
    if (value >= 1 << 20) return `${(value / (1 << 20)).toFixed(1)} MiB`;
    if (value >= 1 << 10) return `${(value / (1 << 10)).toFixed(1)} KiB`;
    return `${value} bytes`;
  }
  return `${value >= 100 || Number.isInteger(value) ? count(Math.round(value)) : value.toPrecision(3)}${unit ? ` ${unit}` : ""}`;
}

/** A label of an axis: without trailing zeros, and without a long unit, which the caption has. */
export const tick = (value: number, unit: string): string =>
  unit === "bytes" ? quantity(value, unit) : `${value >= 1000 ? count(value) : String(Number(value.toPrecision(3)))}${unit.length > 0 && unit.length < 3 ? ` ${unit}` : ""}`;

/** The smallest round number that is at least `value`: 1, 2, 4, 5 or 10 times a power of ten; of bytes, a power of two. */
export function roundUp(value: number, unit: string): number {
  if (unit === "bytes") return 2 ** Math.ceil(Math.log2(value));
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 4, 5, 10].find((step) => step * power >= value * (1 - 1e-9))!;
}

/** A test's file, and its name within the file. */
export function parts(name: string): [file: string, own: string] {
  const at = name.indexOf(".py::");
  return at < 0 ? ["", name] : [name.slice(0, at + 3), name.slice(at + 5)];
}

export const readable = (name: string): string => parts(name)[1].replace(/^test_/, "").replaceAll("_", " ");

/** The CSS class with the colour of an outcome. */
export const style = (outcome: string): string => outcome.replace(" ", "-");

/** The CSS class with the colour of a test's verdict: the blame, unless the product is to blame. */
export const tone = (test: Test): string =>
  test.outcome === "failed" && test.blame && test.blame !== "product" ? test.blame : style(test.outcome);

export const BLAME: Record<string, string> = {
  product: "the platform or the firmware behaved incorrectly",
  rig: "the test equipment failed; the product was not judged",
  usage: "invalid request: the test or the command must change",
  unknown: "the error does not show the cause",
};

/** A length for a style; Preact adds no unit. */
export const px = (value: number | undefined): string | undefined => (value === undefined ? undefined : `${value}px`);

/** Compares names in natural order: board-2 before board-10. */
export const natural = (one: string, other: string): number => one.localeCompare(other, "en", { numeric: true });
