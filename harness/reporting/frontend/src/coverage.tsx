// The arrows of the executable sequences that this run exercised, and those that it did not.

import { useState } from "preact/hooks";
import type { SequenceCoverage } from "./data";
import { count } from "./format";

export function CoverageTable({ rows }: { rows: SequenceCoverage[] }) {
  const [never, setNever] = useState(false);
  const ready = rows.filter((row) => !row.pending), pending = rows.filter((row) => row.pending);
  if (!rows.length) return null;
  const arrows = ready.flatMap((row) => row.arrows);
  const seen = arrows.filter(([, , times]) => times).length;
  return (
    <section aria-labelledby="coverage-title">
      <h2 id="coverage-title">Sequence coverage</h2>
      <p>
        <b>{seen}</b> of {arrows.length} arrows of {ready.length} sequences occurred in a history that follows its diagram.{" "}
        <label class="check"><input type="checkbox" checked={never} onChange={(event) => setNever(event.currentTarget.checked)} /> only arrows that never occurred</label>
      </p>
      <div class="coverage">
        {ready.map((row) => <Sequence key={row.name} row={row} never={never} />)}
        {!never && pending.map((row) => (
          <p key={row.name} class="pending"><span class="own">{row.title}</span> <span class="quiet">pending: {row.pending}</span></p>
        ))}
      </div>
    </section>
  );
}

function Sequence({ row, never }: { row: SequenceCoverage; never: boolean }) {
  const seen = row.arrows.filter(([, , times]) => times).length;
  const shown = never ? row.arrows.filter(([, , times]) => !times) : row.arrows;
  if (!shown.length) return null;
  return (
    <details>
      <summary>
        <span class="own">{row.title}</span>
        <span class="cells" aria-hidden="true">{row.arrows.map(([line, arrow, times]) => <i key={`${line}${arrow}`} class={times ? "seen" : ""} />)}</span>
        <span class={`number ${seen < row.arrows.length ? "quiet" : ""}`}>{seen} of {row.arrows.length}</span>
      </summary>
      <table>
        <caption class="quiet">{row.name}.mmd</caption>
        <thead><tr><th scope="col" class="number">times</th><th scope="col">arrow</th><th scope="col" class="number">line</th></tr></thead>
        <tbody>
          {shown.map(([line, arrow, times]) => (
            <tr key={`${line}${arrow}`} class={times ? "" : "never"}>
              <td class="number">{times ? count(times) : "never"}</td><td><code>{arrow}</code></td><td class="number quiet">{line}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
