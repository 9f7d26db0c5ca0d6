// Each device, application and gateway, with its changes in order.

import { useEffect, useMemo, useState } from "preact/hooks";
import { type Change, ChangeTable, apply, changesOf, patchOf } from "./diff";
import { Empty } from "./parts";
import { Rows } from "./rows";
import { type Data, type EventStore, STATE } from "./store";
import { clock, count, plural, natural } from "./format";

interface Resource { kind: string; name: string; last: number; changes: number; phase: string }
interface Props { store: EventStore; chosen: number | null; choose: (event: number | null) => void; show: (event: number) => void }

const PHASE = /^[A-Z][A-Za-z]+$/;

function resources(store: EventStore): Resource[] {
  const found = new Map<string, Resource>();
  for (let n = 0; n < store.length; n += 1) {
    if (store.kind[n] !== STATE) continue;
    const key = `${store.name(n)} ${store.subject(n)}`, brief = store.brief(n);
    const known = found.get(key) ?? { kind: store.name(n), name: store.subject(n), last: n, changes: 0, phase: "" };
    known.last = n;
    known.changes += 1;
    if (PHASE.test(brief)) known.phase = brief;
    else if (brief === "deleted") known.phase = "deleted";
    found.set(key, known);
  }
  return [...found.values()].sort((a, b) => a.kind.localeCompare(b.kind) || natural(a.name, b.name));
}

export function Resources({ store, chosen, choose, show }: Props) {
  const all = useMemo(() => resources(store), [store]);
  const [find, setFind] = useState("");
  const shown = useMemo(() => all.filter((one) => `${one.kind} ${one.name} ${one.phase}`.toLowerCase().includes(find.toLowerCase())), [all, find]);
  if (!all.length) return <Empty>No resource changed.</Empty>;
  const of = chosen !== null && store.kind[chosen] === STATE ? `${store.name(chosen)} ${store.subject(chosen)}`
    : chosen !== null ? `Device ${store.subject(chosen)}` : "";
  const found = shown.findIndex((one) => `${one.kind} ${one.name}` === of), index = found < 0 && shown.length ? 0 : found;
  return (
    <div class="split">
      <div class="choice">
        <input type="search" placeholder="Search resources and phases" aria-label="Search resources" value={find} onInput={(event) => setFind(event.currentTarget.value)} />
        <Rows class="box" label="Resources" length={shown.length} height={30} chosen={index} choose={(row) => choose(shown[row]!.last)}
          row={(row) => {
            const one = shown[row]!;
            return <span class="entry"><span class="quiet">{one.kind}</span> <span class="own">{one.name}</span> <span class={`phase ${one.phase}`}>{one.phase}</span> <span class="number quiet">{count(one.changes)}</span></span>;
          }} />
      </div>
      <div class="story">
        {index < 0 ? <Empty>No matching resources.</Empty>
          : <Story key={`${shown[index]!.kind} ${shown[index]!.name}`} store={store} last={shown[index]!.last} chosen={chosen} show={show} title={`${shown[index]!.kind} ${shown[index]!.name}`} />}
      </div>
    </div>
  );
}

const AT_ONCE = 100;

function Story({ store, last, chosen, show, title }: { store: EventStore; last: number; chosen: number | null; show: (event: number) => void; title: string }) {
  const events = useMemo(() => changesOf(store, last), [store, last]);
  const [changes, setChanges] = useState<[event: number, change: string, changes: Change[]][]>([]);
  const [room, setRoom] = useState(AT_ONCE);
  useEffect(() => {
    let wanted = true;
    void (async () => {
      const state: Data = {}, found: typeof changes = [];
      for (const n of events) {
        const data = await store.load(n);
        if (!wanted) return;
        found.push([n, String(data["change"] ?? ""), apply(state, patchOf(data))]);
      }
      setChanges(found);
    })();
    return () => { wanted = false; };
  }, [events]);
  return (
    <>
      <h3>{title}</h3>
      <ol class="changes">
        {changes.slice(0, room).map(([n, change, fields]) => (
          <li key={n} aria-current={n === chosen ? "true" : undefined}>
            <p><span class="number">{clock(store.at[n]!)} s</span> {change} <b class={`phase ${store.brief(n)}`}>{PHASE.test(store.brief(n)) ? store.brief(n) : ""}</b>{" "}
              <button type="button" class="plain" onClick={() => show(n)}>Show in timeline</button></p>
            <ChangeTable changes={fields} />
          </li>
        ))}
      </ol>
      {changes.length > room && <button type="button" class="plain" onClick={() => setRoom(room + AT_ONCE)}>Show more of {plural(changes.length, "change")}</button>}
    </>
  );
}

