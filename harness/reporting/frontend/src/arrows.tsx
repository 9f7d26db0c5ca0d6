// The list of events, as arrows between the participants' lanes; in a narrow window, as lines of text.

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { Rows } from "./rows";
import { useSlices } from "./slices";
import { CONSOLE, type EventStore, FAULT, MESSAGE, STATE } from "./store";
import { clock, px, natural } from "./format";

const ROW = 26, LEFT = 78, LANE = 78, NARROW = 560;
const ORDER = ["User", "Harness", "Device", "Bridge", "Gateway", "Kubernetes"];

interface Props {
  store: EventStore;
  shown: Uint32Array;
  chosen: number | null;
  choose: (event: number) => void;
  fault: (step: 1 | -1) => void;
}

function participants(store: EventStore): string[] {
  const ids = new Set([...new Set(store.sourceIds), ...new Set(store.targetIds)]);
  const place = (name: string): number => ORDER.indexOf(name) + 1 || ORDER.length + 1;
  return [...ids].map((id) => store.strings[id]!).filter(Boolean).sort((a, b) => place(a) - place(b) || natural(a, b));
}

export function Arrows({ store, shown, chosen, choose, fault }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [room, setRoom] = useState(900);
  useLayoutEffect(() => {
    const watch = new ResizeObserver(() => { if (box.current) setRoom(box.current.clientWidth); });
    watch.observe(box.current!);
    setRoom(box.current!.clientWidth);
    return () => watch.disconnect();
  }, []);
  const lanes = useMemo(() => participants(store), [store]);
  const narrow = room < NARROW;
  const lane = Math.max(LANE, (room - LEFT) / lanes.length);
  const width = narrow ? room : Math.max(room, LEFT + lane * lanes.length);
  const x = useMemo(() => new Map(lanes.map((name, index) => [name, LEFT + lane * (index + 0.5)])), [lanes, lane]);
  const index = useMemo(() => (chosen === null ? -1 : position(shown, chosen)), [shown, chosen]);
  const [, sight] = useSlices(store, shown);
  const row = (place: number) => (narrow ? <Line store={store} n={shown[place]!} /> : <Arrow store={store} n={shown[place]!} x={x} width={width} />);
  return (
    <Rows class={`box arrows ${narrow ? "narrow" : ""}`} label="Events" length={shown.length} height={ROW} width={width} row={row} box={box}
      chosen={index} choose={(place) => choose(shown[place]!)} sight={sight}
      keys={(event) => { if (event.key.toLowerCase() !== "f") return false; fault(event.key === "f" ? 1 : -1); return true; }}
      header={narrow ? undefined : lanes.map((name) => <span key={name} style={{ left: px(x.get(name)! - lane / 2), width: px(lane) }}>{spaced(name)}</span>)} />
  );
}

/** The index of `n` in `shown`, which is sorted; -1 if absent. */
function position(shown: Uint32Array, n: number): number {
  let low = 0, high = shown.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (shown[middle]! < n) low = middle + 1;
    else high = middle;
  }
  return shown[low] === n ? low : -1;
}

/** A name that may break between its words. */
function spaced(name: string) {
  const words = name.split(/(?<=[a-z])(?=[A-Z])/);
  return words.flatMap((word, index) => (index ? [<wbr key={index} />, word] : [word]));
}

const words = (store: EventStore, n: number): string =>
  store.kind[n] === CONSOLE ? `${store.subject(n)}: ${String(store.data(n)?.["text"] ?? store.data(n)?.["line"] ?? "")}`
    : [store.name(n), store.kind[n] === STATE || store.kind[n] === FAULT ? store.subject(n) : "", store.brief(n)].filter((word, at, all) => word && all.indexOf(word) === at).join(" ");

function Line({ store, n }: { store: EventStore; n: number }) {
  const target = store.target(n);
  return (
    <span class={`plain-line ${store.kindName(n)}`}>
      <span class="number quiet">{clock(store.at[n]!)} </span>
      <span class="route">{store.source(n)}{target && <> &rarr; {target}</>}: </span>
      <span class="said">{words(store, n)}</span>
    </span>
  );
}

function Arrow({ store, n, x, width }: { store: EventStore; n: number; x: Map<string, number>; width: number }) {
  const from = x.get(store.source(n)) ?? LEFT, to = x.get(store.target(n)), kind = store.kindName(n);
  const arrow = store.kind[n] === MESSAGE && to !== undefined && to !== from;
  const route = to === undefined ? store.source(n) : `${store.source(n)} to ${store.target(n)}`;
  return (
    <span class={`arrow ${kind}`} aria-label={`${clock(store.at[n]!)} s, ${route}: ${words(store, n)}`}>
      <span class="number quiet">{clock(store.at[n]!)}</span>
      {[...x.values()].map((at) => <i key={at} style={{ left: px(at) }} />)}
      {arrow ? (
        <>
          <span class={`shaft ${to > from ? "" : "back"}`} style={{ left: px(Math.min(from, to)), width: px(Math.abs(to - from)) }} />
          <span class="label" style={{ left: px((from + to) / 2) }}>{words(store, n)}</span>
        </>
      ) : <span class={`tag ${kind}`} style={from > width * 0.6 ? { right: px(width - from - 8) } : { left: px(from - 8) }}>{words(store, n)}</span>}
    </span>
  );
}
