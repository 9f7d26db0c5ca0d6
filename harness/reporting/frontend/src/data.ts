// The data that harness/reporting/report.py puts into the page.

export type Outcome = "passed" | "unexpected pass" | "expected failure" | "skipped" | "not run" | "failed";

export interface Test {
  name: string;
  title: string;
  outcome: Outcome;
  blame: string | null;
  message: string;
  duration: number;
  rerun: string;
  details: Record<string, unknown>;
  trouble: string[];
  /** False for a test without a stack, which has an outcome only. */
  recorded: boolean;
  /** Names of the pictures; the pictures are packed with the events. */
  pictures: string[];
  events: number;
  faults: number;
  boards: number;
}

export interface SequenceCoverage {
  name: string;
  title: string;
  pending: string | null;
  arrows: [line: string, arrow: string, seen: number][];
}

export interface TrendRow {
  run: string;
  boards?: string[];
  at?: string | null;
  passed?: number;
  failed?: number;
  not_run?: number;
  skipped?: number;
  expected_failure?: number;
  unexpected_pass?: number;
  flaky?: number;
  duration?: number;
  figures?: Record<string, number>;
}

export interface Run {
  format: number;
  run: string;
  /** The command that started the run; "" if unknown. */
  command: string;
  tests: Test[];
  coverage: SequenceCoverage[];
  problems: string[];
  /** One command for all tests that did not pass; null if their options differ. */
  again: string | null;
  trend: TrendRow[];
}

export interface Series {
  name: string;
  unit: string;
  points: [at: number, value: number][];
}

export interface PackedEvents {
  strings: string[];
  columns: string;
  chunk: number;
  chunks: string[];
  /** The event that may have caused the failure of a test; null if it did not fail, or no event stands out. */
  cause: number | null;
  series: Series[];
  pictures: Record<string, string>;
}

export const FORMAT = 1;

/** The JSON in the page under that id, or null if absent. */
export function embedded<T>(id: string): T | null {
  const text = document.getElementById(id)?.textContent;
  return text ? (JSON.parse(text) as T) : null;
}

export async function gunzip(base64: string): Promise<Response> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
}
