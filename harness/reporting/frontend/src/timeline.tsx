// The history as a map over time; below it, the events in the map's range as arrows between participants.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Arrows } from "./arrows";
import { Detail } from "./detail";
import { TimeMap } from "./map";
import type { Span } from "./painter";
import { Chips, Empty, Keys } from "./parts";
import { type EventStore, FAULT, KINDS } from "./store";
import { count, plural, seconds, natural } from "./format";

interface Props { store: EventStore; chosen: number | null; choose: (event: number | null) => void }

export function Timeline({ store, chosen, choose }: Props) {
  const whole = useMemo<Span>(() => [0, Math.max(store.end, 1e-6)], [store]);
  const [span, setSpan] = useState<Span>(whole);
  const [kinds, setKinds] = useState<string[]>([]);
  const [about, setAbout] = useState("");
  const [text, setText] = useState("");
  const among = useMemo(() => select(store, kinds, about), [store, kinds, about]);
  const [found, searching] = useSearch(store, among, text);
  const shown = useMemo(() => {
    if (span === whole) return found;
    return found.subarray(store.lowerBound(span[0], found), store.lowerBound(span[1] + 1e-9, found));
  }, [found, span]);
  const names = useMemo(() => store.names().sort(natural), [store]);
  // An event that was selected elsewhere may be filtered out; then the filters are cleared.
  useEffect(() => {
    if (chosen === null) return;
    if (store.at[chosen]! < span[0] || store.at[chosen]! > span[1]) setSpan(whole);
    if (!found.includes(chosen) && !searching) { setKinds([]); setAbout(""); setText(""); }
  }, [chosen]);
  const box = useRef<HTMLDivElement>(null);
  const fault = (step: 1 | -1): void => {
    for (let n = (chosen ?? (step > 0 ? -1 : store.length)) + step; n >= 0 && n < store.length; n += step) {
      if (store.kind[n] === FAULT) { choose(n); return; }
    }
  };
  const present = useMemo(() => KINDS.filter((_, kind) => store.kind.includes(kind)), [store]);
  if (!store.length) return <Empty>This test recorded no events.</Empty>;
  return (
    <>
      <TimeMap store={store} span={span} whole={whole} setSpan={setSpan} chosen={chosen} choose={choose} about={about} fault={fault} />
      <div class="controls">
        <input type="search" placeholder="Search events" aria-label="Search events" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        <Chips label="Kinds" all={present} chosen={kinds} choose={setKinds} />
        <input class="about" type="text" list="names" placeholder={`Device or application (${count(names.length)})`} aria-label="Device or application" value={about}
          onInput={(event) => setAbout(event.currentTarget.value)} />
        <datalist id="names">{names.slice(0, 2000).map((name) => <option key={name} value={name} />)}</datalist>
        <span class="quiet" role="status">
          {searching ? "searching ... " : ""}{shown.length === store.length ? plural(store.length, "event") : `${count(shown.length)} of ${plural(store.length, "event")}`}
          {span !== whole && ` in ${seconds(span[1] - span[0])}`}
        </span>
        {(span !== whole || kinds.length > 0 || about || text) && (
          <button type="button" class="plain" onClick={() => { setSpan(whole); setKinds([]); setAbout(""); setText(""); }}>Clear filters</button>
        )}
      </div>
      <div class="split right">
        <div ref={box}>
          <Arrows store={store} shown={shown} chosen={chosen} choose={choose} fault={fault} />
        </div>
        <Detail store={store} chosen={chosen} choose={choose} only={(name) => { setAbout(name); setSpan(whole); }} />
      </div>
      <Keys keys={[["\u2191 \u2193", "previous, next event"], ["Page Up, Page Down, Home, End", "scroll"], ["f F", "next, previous fault"], ["+ - 0 \u2190 \u2192", "zoom and move the map"], ["/", "search"]]} />
    </>
  );
}

function select(store: EventStore, kinds: string[], about: string): Uint32Array {
  const wanted = KINDS.map((kind) => !kinds.length || kinds.includes(kind));
  const among = about ? store.about(about) : null;
  const length = among ? among.length : store.length, found = new Uint32Array(length);
  let size = 0;
  for (let index = 0; index < length; index += 1) {
    const n = among ? among[index]! : index;
    if (wanted[store.kind[n]!]) found[size++] = n;
  }
  return found.subarray(0, size);
}

function useSearch(store: EventStore, among: Uint32Array, text: string): [found: Uint32Array, searching: boolean] {
  const [result, setResult] = useState<{ found: Uint32Array; of: Uint32Array; text: string; done: boolean } | null>(null);
  useEffect(() => {
    if (!text) return;
    let wanted = true, next = 0;
    const wait = setTimeout(() => {
      void store.search(text, among, (found, done) => {
        if (wanted && (done === 1 || performance.now() > next)) {
          next = performance.now() + 200;
          setResult({ found: Uint32Array.from(found), of: among, text, done: done === 1 });
        }
        return wanted;
      });
    }, 120);
    return () => { wanted = false; clearTimeout(wait); };
  }, [store, among, text]);
  if (!text) return [among, false];
  const current = result?.of === among && result.text === text;
  return [current ? result.found : (result?.found ?? among), !current || !result.done];
}
