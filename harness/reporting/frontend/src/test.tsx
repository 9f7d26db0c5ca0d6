// One test: verdict, command to run it again, and views of its history that share the selected event.

import { useEffect, useMemo, useState } from "preact/hooks";
import { type Place, address } from "./address";
import { Chart } from "./chart";
import { Consoles } from "./consoles";
import { type PackedEvents, type Run, type Test, embedded } from "./data";
import { Command, Empty, Message } from "./parts";
import { Pictures } from "./pictures";
import { Resources } from "./resources";
import { EventStore, FAULT } from "./store";
import { Timeline } from "./timeline";
import { BLAME, count, plural, readable, seconds, tone } from "./format";

export function TestPage({ run, index, place }: { run: Run; index: number; place: Place }) {
  const test = run.tests[index]!;
  const [store, setStore] = useState<EventStore | null>(null);
  const [broken, setBroken] = useState("");
  useEffect(() => {
    document.title = `${test.outcome}: ${readable(test.name)} - ${run.command || run.run}`;
    scrollTo(0, 0);
    if (!test.recorded) return;
    try {
      const packed = embedded<PackedEvents>(`events-${index}`);
      if (!packed) throw new Error("they are missing in this page");
      EventStore.open(packed).then(setStore, (error: unknown) => setBroken(String(error)));
    } catch (error) {
      setBroken(String(error));
    }
  }, [index]);
  return (
    <div class="page">
      <header>
        <nav class="trail" aria-label="Tests">
          <a href="#run">{run.run}</a>
          <span class="steps">
            {index > 0 ? <a href={address(index - 1, place.tab)} rel="prev">previous test</a> : <span class="quiet">first test</span>}
            {index < run.tests.length - 1 ? <a href={address(index + 1, place.tab)} rel="next">next test</a> : <span class="quiet">last test</span>}
          </span>
        </nav>
        <h1>{test.title || readable(test.name)}</h1>
        <p class="path">{test.name}</p>
      </header>
      <main>
        <Verdict test={test} index={index} />
        {test.rerun && <Command text={test.rerun} />}
        <Options test={test} />
        {!test.recorded ? <Empty>This test has no stack, so nothing was recorded.</Empty>
          : broken ? <p class="trouble">The events of this test cannot be unpacked: {broken}</p>
          : store ? <Views test={test} index={index} store={store} place={place} /> : <Empty>Unpacking {plural(test.events, "event")} ...</Empty>}
      </main>
    </div>
  );
}

function Verdict({ test, index }: { test: Test; index: number }) {
  return (
    <section class={`verdict ${tone(test)}`} aria-label="Verdict">
      <p class="lead">
        <b class="outcome">{test.outcome}</b>{" "}
        <span class="quiet">in {seconds(test.duration)}{test.recorded ? `, ${plural(test.events, "event")}` : ""}{test.faults > 0 ? `, ${plural(test.faults, "fault")}` : ""}</span>
      </p>
      {test.blame && <p>To blame: <b>{test.blame}</b> <span class="quiet">- {BLAME[test.blame] ?? ""}</span></p>}
      {test.message && <Message text={test.message} />}
      {test.outcome === "failed" && test.pictures.length > 0 && <p><a href={address(index, "sequences")}>Diagram with the differences marked</a></p>}
      {test.trouble.length > 0 && <ul class="trouble">{test.trouble.map((text) => <li key={text}>{text}; showing partial data</li>)}</ul>}
    </section>
  );
}

function Options({ test }: { test: Test }) {
  const { options, seed, ...others } = test.details;
  const all = Object.entries({ ...(typeof options === "object" ? options : {}), ...others }).filter(([name, value]) => value !== null && name !== "seed");
  if (!all.length && seed === undefined) return null;
  return (
    <details class="options">
      <summary>{seed === null || seed === undefined ? "no seed" : `seed ${String(seed)}`}, options</summary>
      <dl>{all.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{typeof value === "object" ? JSON.stringify(value) : String(value)}</dd></div>)}</dl>
    </details>
  );
}

interface Views { test: Test; index: number; store: EventStore; place: Place }

function Views({ test, index, store, place }: Views) {
  const pictures = test.pictures.length;
  const tabs: [name: string, label: string][] = [
    ["timeline", "Timeline"], ["sequences", `Sequences${pictures ? ` ${pictures}` : ""}`], ["resources", "Resources"],
    ["consoles", `Consoles${test.boards ? ` ${count(test.boards)}` : ""}`], ["metrics", "Metrics"],
  ];
  const tab = tabs.some(([name]) => name === place.tab) ? place.tab : "timeline";
  const chosen = place.event !== null && place.event < store.length ? place.event : null;
  const go = (name: string, event: number | null): void => {
    const next = address(index, name, event);
    // Selecting an event replaces the address; another view adds a step to the browser's history.
    if (name === tab) { history.replaceState(null, "", next); dispatchEvent(new HashChangeEvent("hashchange")); } else location.hash = next;
  };
  const move = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!step) return;
    const next = tabs[(tabs.findIndex(([name]) => name === tab) + step + tabs.length) % tabs.length]![0];
    go(next, chosen);
    requestAnimationFrame(() => document.getElementById(`tab-${next}`)?.focus());
  };
  useEffect(() => { if (chosen === null && store.length) go(tab, firstChoice(test, store)); }, []);
  const view = { store, chosen, choose: (event: number | null) => go(tab, event), show: (event: number) => go("timeline", event) };
  return (
    <>
      <div class="tabs" role="tablist" aria-label="Views" onKeyDown={move}>
        {tabs.map(([name, label]) => (
          <button key={name} id={`tab-${name}`} type="button" role="tab" aria-selected={name === tab} aria-controls="view" tabIndex={name === tab ? 0 : -1}
            onClick={() => go(name, chosen)}>{label}</button>
        ))}
      </div>
      <div class="view" id="view" role="tabpanel" aria-labelledby={`tab-${tab}`}>
        {tab === "timeline" && <Timeline {...view} />}
        {tab === "sequences" && <Pictures pictures={store.pictures} />}
        {tab === "resources" && <Resources {...view} />}
        {tab === "consoles" && <Consoles {...view} />}
        {tab === "metrics" && <Metrics store={store} />}
      </div>
    </>
  );
}

/** The event that is selected first: a failed test's first cause, or the end of its body; else the first fault, else the first event. */
function firstChoice(test: Test, store: EventStore): number {
  const cause = store.cause ?? (test.outcome === "failed" ? store.last("stack stopping") : null);
  return cause ?? Math.max(store.kind.indexOf(FAULT), 0);
}

const MEANING: Record<string, string> = {
  sessions: "TLS sessions at the gateway",
  connected: "connected devices",
  frames: "frames on the links",
  requests: "requests to Kubernetes",
  memory: "memory that the boards report as used",
};

function Metrics({ store }: { store: EventStore }) {
  const marks = useMemo(() => [...store.kind.keys()].filter((n) => store.kind[n] === FAULT).map((n) => store.at[n]!), [store]);
  if (!store.series.length) return <Empty>This history has no metrics.</Empty>;
  return (
    <>
      {marks.length > 0 && <p class="quiet">Vertical red lines mark faults.</p>}
      <div class="charts">
        {store.series.map((line) => <Chart key={line.name} name={MEANING[line.name] ?? line.name} unit={line.unit} points={line.points} end={store.end} marks={marks} />)}
      </div>
    </>
  );
}
