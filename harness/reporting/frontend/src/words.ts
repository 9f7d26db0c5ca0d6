// How numbers and names are written.

import type { Test } from "./data";

export function seconds(value: number): string {
  if (value >= 90) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  if (value >= 10) return `${value.toFixed(1)} s`;
  if (value >= 0.0995) return `${value.toFixed(2)} s`;
  return `${(value * 1000).toFixed(value < 0.01 && value > 0 ? 1 : 0)} ms`;
}

/** A time on an axis or in a row: always in seconds, so that rows line up. */
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

/** A test's file and its own name. */
export function parts(name: string): [file: string, own: string] {
  const at = name.indexOf(".py::");
  return at < 0 ? ["", name] : [name.slice(0, at + 3), name.slice(at + 5)];
}

export const readable = (name: string): string => parts(name)[1].replace(/^test_/, "").replaceAll("_", " ");

/** The class that gives an outcome its colour. */
export const style = (outcome: string): string => outcome.replace(" ", "-");

/** The class that gives a test's verdict its colour: the blame where it was not the product's. */
export const tone = (test: Test): string =>
  test.outcome === "failed" && test.blame && test.blame !== "product" ? test.blame : style(test.outcome);

export const BLAME: Record<string, string> = {
  product: "the platform or the firmware did something else than it must",
  rig: "equipment failed, the product was not judged",
  usage: "something was asked that cannot be",
};

/** Preact sets styles as they are given. */
export const px = (value: number | undefined): string | undefined => (value === undefined ? undefined : `${value}px`);
