// How it went in earlier runs: the rows that harness/reporting was given, oldest first.

import { Chart } from "./chart";
import type { TrendRow } from "./data";
import { seconds } from "./words";

const judged = (row: TrendRow): number => (row.passed ?? 0) + (row.failed ?? 0);
const rate = (row: TrendRow): number => (judged(row) ? (100 * (row.passed ?? 0)) / judged(row) : 0);

export function Trend({ rows, present }: { rows: TrendRow[]; present: string }) {
  if (!rows.some((row) => row.run !== present)) return null;
  const figures = [...new Set(rows.flatMap((row) => Object.keys(row.figures ?? {})))].sort();
  const line = (value: (row: TrendRow) => number): [number, number][] => rows.map((row, index) => [index + 1, value(row)]);
  return (
    <section aria-labelledby="trend-title">
      <h2 id="trend-title">Earlier runs</h2>
      <div class="charts">
        <Chart name="passed of those judged" unit="%" points={line(rate)} axis="runs" />
        <Chart name="time in tests" unit="s" points={line((row) => row.duration ?? 0)} axis="runs" />
        {figures.map((name) => <Chart key={name} name={name} unit="" points={line((row) => row.figures?.[name] ?? 0)} axis="runs" />)}
      </div>
      <div class="wide" role="region" aria-label="Table of earlier runs" tabIndex={0}>
        <table>
          <thead><tr><th scope="col">run</th><th scope="col">passed</th><th scope="col">failed</th><th scope="col">not run</th><th scope="col">flaky</th><th scope="col">time</th></tr></thead>
          <tbody>
            {[...rows].reverse().map((row) => (
              <tr key={row.run} aria-current={row.run === present ? "true" : undefined}>
                <td>{row.run}{row.run === present ? " (this)" : ""}</td><td class="number">{row.passed ?? ""}</td>
                <td class={`number ${row.failed ? "failed" : ""}`}>{row.failed ?? ""}</td><td class="number">{row.not_run ?? ""}</td>
                <td class="number">{row.flaky ?? ""}</td><td class="number">{row.duration === undefined ? "" : seconds(row.duration)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
