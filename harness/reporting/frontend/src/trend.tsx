// Results of earlier runs, oldest first.

import { Chart } from "./chart";
import type { TrendRow } from "./data";
import { plural, seconds } from "./format";

type Value = (row: TrendRow) => number | undefined;

/** Percent of the judged tests; undefined if none was judged. */
const share = (row: TrendRow, part?: number): number | undefined => {
  const judged = (row.passed ?? 0) + (row.failed ?? 0);
  return judged && part !== undefined ? (100 * part) / judged : undefined;
};

/** Runs on different boards are not compared: their times and failures differ. */
const on = (row?: TrendRow): string => (row?.boards ?? []).join(", ");

export function Trend({ rows, present }: { rows: TrendRow[]; present: string }) {
  if (!rows.some((row) => row.run !== present)) return null;
  const boards = on(rows.find((row) => row.run === present));
  const alike = rows.filter((row) => on(row) === boards);
  const expected = rows.some((row) => row.expected_failure || row.unexpected_pass);
  const figures = [...new Set(rows.flatMap((row) => Object.keys(row.figures ?? {})))].sort();
  const line = (name: string, unit: string, among: TrendRow[], value: Value, scale?: number) => {
    const points = among.flatMap((row, index): [number, number][] => { const known = value(row); return known === undefined ? [] : [[index + 1, known]]; });
    return points.length > 0 && <Chart key={name} name={name} unit={unit} points={points} runs={among.map((row) => row.run)} scale={scale} />;
  };
  return (
    <section aria-labelledby="trend-title">
      <h2 id="trend-title">Earlier runs</h2>
      {alike.length < rows.length && <p class="quiet">The charts show the {plural(alike.length, "run")} on {boards || "no boards"}; the table shows all runs.</p>}
      <div class="charts">
        {line("passed, of judged tests", "%", alike, (row) => share(row, row.passed), 100)}
        {line("flaky, of judged tests", "%", alike, (row) => share(row, row.flaky), 10)}
        {line("time in tests", "s", alike, (row) => row.duration)}
        {figures.map((name) => line(name, "", rows, (row) => row.figures?.[name]))}
      </div>
      <div class="wide" role="region" aria-label="Table of earlier runs" tabIndex={0}>
        <table>
          <thead><tr><th scope="col">run</th><th scope="col">boards</th><th scope="col">passed</th><th scope="col">failed</th><th scope="col">not run</th>{expected && <><th scope="col">expected failures</th><th scope="col">unexpected passes</th></>}<th scope="col">flaky</th><th scope="col">time</th></tr></thead>
          <tbody>
            {[...rows].reverse().map((row) => (
              <tr key={row.run} aria-current={row.run === present ? "true" : undefined}>
                <td>{row.run}{row.run === present ? " (this run)" : ""}</td><td>{on(row)}</td><td class="number">{row.passed ?? ""}</td>
                <td class={`number ${row.failed ? "failed" : ""}`}>{row.failed ?? ""}</td><td class="number">{row.not_run ?? ""}</td>
                {expected && <><td class="number">{row.expected_failure ?? ""}</td><td class="number">{row.unexpected_pass ?? ""}</td></>}
                <td class="number">{row.flaky ?? ""}</td><td class="number">{row.duration === undefined ? "" : seconds(row.duration)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
