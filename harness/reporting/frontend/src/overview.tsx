// The run: command and outcome, all tests, sequence coverage, and earlier runs.

import { useEffect, useMemo, useState } from "preact/hooks";
import { address } from "./address";
import { CoverageTable } from "./coverage";
import type { Outcome, Run, Test } from "./data";
import { Trend } from "./trend";
import { Rows } from "./rows";
import { Chips, Command, Keys, Words } from "./parts";
import { count, parts, plural, readable, seconds, style, tone, natural } from "./format";

const ORDER: Outcome[] = ["failed", "not run", "unexpected pass", "passed", "expected failure", "skipped"];
const SORTS = { outcome: "Failed first", name: "By name", duration: "Slowest first", events: "Most events first" };
type Sort = keyof typeof SORTS;

interface Filter { text: string; outcomes: string[]; blames: string[]; sort: Sort }
let kept: Filter = { text: "", outcomes: [], blames: [], sort: "outcome" };

export function Overview({ run }: { run: Run }) {
  const [filter, setFilter] = useState(kept);
  const change = (part: Partial<Filter>): void => setFilter((kept = { ...filter, ...part }));
    const counts = useMemo(() => ORDER.map((outcome) => [outcome, run.tests.filter((test) => test.outcome === outcome).length] as const)
    .filter(([, number]) => number), [run]);
  const blames = useMemo(() => [...new Set(run.tests.map((test) => test.blame).filter((blame) => blame !== null))], [run]);
  useEffect(() => { document.title = `${counts.map(([outcome, number]) => `${number} ${outcome}`).join(", ") || "no tests"}: ${run.command || run.run}`; }, [counts]);
  const shown = useMemo(() => select(run.tests, filter), [run, filter]);
  const total = run.tests.reduce((sum, test) => sum + test.duration, 0);
  const ofCluster = run.tests.reduce((sum, test) => sum + (Number(test.details.cluster_seconds) || 0), 0);
  const bad = run.tests.filter((test) => test.outcome === "failed" || test.outcome === "not run");
  return (
    <div class="page">
      <header>
        <p class="kicker">Wasmbed run {run.run}</p>
        <h1 class="lead">
          {counts.map(([outcome, number]) => <span key={outcome} class={`figure ${style(outcome)}`}><b>{count(number)}</b> {outcome} </span>)}
        </h1>
        <p class="quiet">{run.command && <><Words text={run.command} />; </>}{seconds(total)} in {plural(run.tests.length, "test")}{ofCluster >= 0.5 && `, ${seconds(ofCluster)} of it for the cluster`}</p>
        <div class="strip" aria-hidden="true">
          {counts.map(([outcome, number]) => <span key={outcome} class={style(outcome)} style={{ flexGrow: number }} />)}
        </div>
      </header>
      <main>
        {run.problems.length > 0 && <ul class="trouble">{run.problems.map((text) => <li key={text}>{text}</li>)}</ul>}
        <section aria-labelledby="tests-title">
          <h2 id="tests-title">Tests</h2>
          <div class="controls">
            <input type="search" placeholder="Search tests and messages" aria-label="Search tests" value={filter.text}
              onInput={(event) => change({ text: event.currentTarget.value })} />
            {counts.length > 1 && <Chips label="Outcome" all={counts.map(([outcome]) => outcome)} chosen={filter.outcomes} choose={(outcomes) => change({ outcomes })} />}
            {blames.length > 0 && <Chips label="Blame" all={blames} chosen={filter.blames} choose={(chosen) => change({ blames: chosen })} />}
            <select aria-label="Order" value={filter.sort} onChange={(event) => change({ sort: event.currentTarget.value as Sort })}>
              {Object.entries(SORTS).map(([name, text]) => <option key={name} value={name}>{text}</option>)}
            </select>
            <span class="quiet" role="status">{shown.length === run.tests.length ? "" : `${count(shown.length)} of ${count(run.tests.length)}`}</span>
          </div>
          <TestList run={run} shown={shown} />
        </section>
        {run.again && <Again command={run.again} count={bad.length} />}
        <CoverageTable rows={run.coverage} />
        <Trend rows={run.trend} present={run.run} />
        <Keys keys={[["/", "search"], ["Tab", "next test"], ["Enter", "open"], ["[ ]", "previous, next test"], ["o", "this overview"]]} />
      </main>
    </div>
  );
}

function select(tests: Test[], filter: Filter): number[] {
  const wanted = filter.text.toLowerCase();
  const numbers = tests.map((_, index) => index).filter((index) => {
    const test = tests[index]!;
    return (!filter.outcomes.length || filter.outcomes.includes(test.outcome))
      && (!filter.blames.length || (test.blame !== null && filter.blames.includes(test.blame)))
      && (!wanted || [test.name, test.title, test.message].some((text) => text.toLowerCase().includes(wanted)));
  });
  const by: Record<Sort, (a: Test, b: Test) => number> = {
    outcome: (a, b) => ORDER.indexOf(a.outcome) - ORDER.indexOf(b.outcome),
    name: () => 0,
    duration: (a, b) => b.duration - a.duration,
    events: (a, b) => b.events - a.events,
  };
  return numbers.sort((a, b) => by[filter.sort](tests[a]!, tests[b]!) || natural(tests[a]!.name, tests[b]!.name));
}

function TestList({ run, shown }: { run: Run; shown: number[] }) {
  if (!shown.length) return <p class="quiet">No matching tests.</p>;
  const row = (index: number) => {
    const test = run.tests[index]!;
    return (
      <a class="test" href={address(index)}>
        <span class={`mark ${tone(test)}`}>{test.outcome}</span>
        <span class="what">
          <span class="own">{test.title || readable(test.name)}</span>
          <span class="file">{parts(test.name).filter(Boolean).join(" :: ")}</span>
          {test.message && <span class="why">{why(test.message)}</span>}
        </span>
        <span class="facts">
          {test.blame && test.outcome !== "passed" && <span class={tone(test)}>{test.blame} </span>}
          {test.faults > 0 && <span>{plural(test.faults, "fault")} </span>}
          {test.recorded && <span>{plural(test.events, "event")} </span>}
          <span class="number">{seconds(test.duration)}</span>
        </span>
      </a>
    );
  };
  if (shown.length <= 200) return <ul class="tests">{shown.map((index) => <li key={index}>{row(index)}</li>)}</ul>;
  return <Rows class="tests box" role="list" label="Tests" length={shown.length} height={80} row={(index) => <div role="listitem">{row(shown[index]!)}</div>} />;
}

/** The first line of a message is its summary. */
const why = (message: string): string => message.split("\n", 1)[0]!;

function Again({ command, count }: { command: string; count: number }) {
  return (
    <section aria-labelledby="again-title">
      <h2 id="again-title">Run the {count} tests that did not pass again</h2>
      <Command text={command} />
    </section>
  );
}
