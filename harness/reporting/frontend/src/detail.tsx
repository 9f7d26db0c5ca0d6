// The selected event: its data, and the messages, resource changes and console lines near it.

import { useEffect, useState } from "preact/hooks";
import { Copy } from "./parts";
import { CONSOLE, type Data, type EventStore, FAULT, MESSAGE, STATE } from "./store";
import { Diff } from "./diff";
import { clock, count } from "./format";

interface Props {
  store: EventStore;
  chosen: number | null;
  choose: (event: number) => void;
  /** Opens the event in the timeline; absent in the timeline itself. */
  show?: (event: number) => void;
  only?: (name: string) => void;
}

export function useData(store: EventStore, n: number | null): Data | null {
  const [data, setData] = useState<[number, Data] | null>(null);
  useEffect(() => {
    let wanted = true;
    if (n !== null) void store.load(n).then((found) => { if (wanted) setData([n, found]); });
    return () => { wanted = false; };
  }, [store, n]);
  return data && data[0] === n ? data[1] : null;
}

export function Detail({ store, chosen, choose, show, only }: Props) {
  const data = useData(store, chosen);
  if (chosen === null) {
    return <aside class="detail" aria-label="Event"><p class="quiet">Select an event to see its data and the events near it.</p></aside>;
  }
  const [source, target] = [store.source(chosen), store.target(chosen)], about = store.subject(chosen);
  return (
    <aside class="detail" aria-label="Event" tabIndex={0}>
      <h3 class={store.kindName(chosen)}>{store.name(chosen)}</h3>
      <p>
        {source}{target && <> <span aria-label="to">&rarr;</span> {target}</>}
        <span class="quiet"> {store.kindName(chosen)} {count(chosen)} at <span class="number">{store.at[chosen]!.toFixed(6)} s</span></span>
      </p>
      <p class="actions">
        {about && <span>about <b>{about}</b> </span>}
        {about && only && <button type="button" class="plain" onClick={() => only(about)}>Show only this</button>}
        {show && <button type="button" class="plain" onClick={() => show(chosen)}>Show in timeline</button>}
        {data && <Copy text={JSON.stringify(data, null, 2)} what="the event's data" />}
      </p>
      {store.kind[chosen] === STATE ? <Diff store={store} event={chosen} /> : data && <Fields data={data} />}
      <Beside store={store} event={chosen} choose={choose} />
    </aside>
  );
}

const LONG = 400;

export function Fields({ data }: { data: Data }) {
  const entries = Object.entries(data);
  if (!entries.length) return <p class="quiet">No data.</p>;
  return <dl class="fields">{entries.map(([name, value]) => <div key={name}><dt>{name}</dt><dd><Value value={value} /></dd></div>)}</dl>;
}

function Value({ value }: { value: unknown }) {
  if (Array.isArray(value) && value.some((item) => typeof item === "object" && item !== null)) {
    return <ol>{value.map((item, index) => <li key={index}><Value value={item} /></li>)}</ol>;
  }
  if (Array.isArray(value)) return <span>{value.map(String).join(", ") || <span class="quiet">none</span>}</span>;
  if (typeof value === "object" && value !== null) return <Fields data={value as Data} />;
  if (value === null || value === "") return <span class="quiet">{value === null ? "null" : "empty"}</span>;
  const text = String(value);
  if (text.length <= LONG) return <span class={typeof value}>{text}</span>;
  return <details><summary>{text.slice(0, 60)}... <span class="quiet">{count(text.length)} characters</span></summary>{text}</details>;
}

const NEXT: [kind: number, what: string][] = [[MESSAGE, "message"], [STATE, "resource change"], [CONSOLE, "console line"], [FAULT, "fault"]];
const LOOK = 20_000;

/** The nearest events of each kind before and after, about the same device or application; faults about any. */
function Beside({ store, event, choose }: { store: EventStore; event: number; choose: (event: number) => void }) {
  const own = store.about(store.subject(event));
  const place = own.indexOf(event);
  const near = (kind: number, step: 1 | -1): number | undefined => {
    if (kind === FAULT || place < 0) {
      for (let n = event + step; n >= 0 && n < store.length && Math.abs(n - event) < LOOK; n += step) if (store.kind[n] === kind) return n;
      return undefined;
    }
    for (let index = place + step; index >= 0 && index < own.length; index += step) if (store.kind[own[index]!] === kind) return own[index];
    return undefined;
  };
  const cell = (n: number | undefined) => n === undefined ? <td class="quiet">none</td> : (
    <td><button type="button" class="plain" onClick={() => choose(n)}>
      <span class={store.kindName(n)}><Label store={store} n={n} /></span>{" "}
      <span class="number quiet">{n < event ? "-" : "+"}{clock(Math.abs(store.at[n]! - store.at[event]!))} s</span>
    </button></td>
  );
  return (
    <table class="beside">
      <caption>Nearby events</caption>
      <thead><tr><td /><th scope="col">before</th><th scope="col">after</th></tr></thead>
      <tbody>{NEXT.map(([kind, what]) => <tr key={kind}><th scope="row">{what}</th>{cell(near(kind, -1))}{cell(near(kind, 1))}</tr>)}</tbody>
    </table>
  );
}

/** A short text for an event; of a console line, the line. */
export function Label({ store, n }: { store: EventStore; n: number }) {
  const data = useData(store, store.kind[n] === CONSOLE ? n : null);
  if (store.kind[n] === CONSOLE) return <>{store.subject(n)}: <code>{String(data?.["text"] ?? data?.["line"] ?? "...").slice(0, 80)}</code></>;
  return <>{store.name(n)} {store.brief(n)}</>;
}
