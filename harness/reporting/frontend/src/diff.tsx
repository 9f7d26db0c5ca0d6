// A resource before and after a change. State events hold merge patches (RFC 7386), which are applied in order.

import { useEffect, useState } from "preact/hooks";
import { type Data, type EventStore, STATE } from "./store";

export interface Change { path: string; before: unknown; after: unknown }

const plain = (value: unknown): value is Data => typeof value === "object" && value !== null && !Array.isArray(value);
const MISSING = undefined;

/** Apply `patch` to `state` in place and return the changed fields. */
export function apply(state: Data, patch: Data, path = ""): Change[] {
  const changes: Change[] = [];
  for (const [key, value] of Object.entries(patch)) {
    const here = path ? `${path}.${key}` : key, before = state[key];
    if (plain(value)) {
      if (!plain(before)) state[key] = {};
      changes.push(...apply(state[key] as Data, value, here));
    } else {
      if (value === null) delete state[key];
      else state[key] = value;
      changes.push({ path: here, before, after: value === null ? MISSING : value });
    }
  }
  return changes;
}

const PARTS = ["metadata", "spec", "status"];
export const patchOf = (data: Data): Data => Object.fromEntries(Object.entries(data).filter(([key]) => PARTS.includes(key)));

/** The state events of the resource that `event` changed, in order. */
export function changesOf(store: EventStore, event: number): number[] {
  const [kind, about] = [store.nameIds[event], store.subject(event)];
  return [...store.about(about)].filter((n) => store.kind[n] === STATE && store.nameIds[n] === kind && store.subject(n) === about);
}

async function replay(store: EventStore, event: number): Promise<Change[]> {
  const state: Data = {};
  for (const n of changesOf(store, event)) {
    const changes = apply(state, patchOf(await store.load(n)));
    if (n === event) return changes;
  }
  return [];
}

export function Diff({ store, event }: { store: EventStore; event: number }) {
  const [changes, setChanges] = useState<Change[] | null>(null);
  useEffect(() => {
    let wanted = true;
    setChanges(null);
    void replay(store, event).then((found) => { if (wanted) setChanges(found); });
    return () => { wanted = false; };
  }, [store, event]);
  if (!changes) return <p class="quiet">...</p>;
  return <ChangeTable changes={changes} />;
}

export function ChangeTable({ changes }: { changes: Change[] }) {
  if (!changes.length) return <p class="quiet">The object was added or deleted; the event has no fields.</p>;
  return (
    <table class="diff">
      <thead><tr><th scope="col">field</th><th scope="col">before</th><th scope="col">after</th></tr></thead>
      <tbody>
        {changes.map((change) => (
          <tr key={change.path}>
            <th scope="row">{change.path}</th>
            <td>{change.before === MISSING ? <span class="quiet">absent</span> : <del>{text(change.before)}</del>}</td>
            <td>{change.after === MISSING ? <span class="quiet">absent</span> : <ins>{text(change.after)}</ins>}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function text(value: unknown): string {
  const said = typeof value === "string" ? value : JSON.stringify(value);
  return said.length > 300 ? `${said.slice(0, 300)}... (${said.length} characters)` : said;
}
