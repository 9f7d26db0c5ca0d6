// The platform's objects, kept current: the lists are read once, and each change arrives as an event.
//
// The stream is opened before the lists are read, and what arrives in between is applied to them afterwards, in order, so
// that no change is missed. After a break the stream goes on behind the last event; `reset` says that changes are lost,
// and the lists are read again.

import { QueryClient, useQuery } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { get, Refused } from "./api";
import { remember } from "./history";
import { follow, persist, type ServerEvent } from "./stream";
import { KINDS, nameOf, type Kind, type Kinds } from "./types";

export const client = new QueryClient({
  defaultOptions: { queries: { retry: false, refetchOnWindowFocus: false, staleTime: Infinity } },
});

export type Objects<K extends Kind> = ReadonlyMap<string, Kinds[K]>;

export type Connection =
  | { state: "connecting" }
  | { state: "live" }
  | { state: "lost"; since: Date; why: string }
  | { state: "refused"; refusal: Refused };

const PAGE = 5_000;

let connection: Connection = { state: "connecting" };
const listeners = new Set<() => void>();

function become(next: Connection): void {
  connection = next;
  for (const each of listeners) each();
}

export function useConnection(): Connection {
  return useSyncExternalStore(
    (changed) => (listeners.add(changed), () => listeners.delete(changed)),
    () => connection,
  );
}

/** All objects of a kind by name, or undefined before they are read. */
export function useObjects<K extends Kind>(kind: K): Objects<K> | undefined {
  return useQuery<Objects<K>>({ queryKey: ["objects", kind], enabled: false, structuralSharing: false }).data;
}

/** Read a list again: what is created by this page and is not an event yet, as a device that waits for its board. */
export async function reload(kind: Kind): Promise<void> {
  client.setQueryData(["objects", kind], await read(kind));
}

/** Follow the platform until `stop` is aborted. */
export async function followPlatform(stop: AbortSignal): Promise<void> {
  let last = "";
  become({ state: "connecting" });
  await persist(stop, (attempt, good) => connect(last, attempt, good, (id) => (last = id)), (error) => {
    if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
      become({ state: "refused", refusal: error });
      return false;
    }
    const why = error === null ? "" : error instanceof Error ? error.message : String(error);
    if (connection.state !== "lost") become({ state: "lost", since: new Date(), why });
    return true;
  });
}

async function connect(last: string, attempt: AbortController, good: () => void, seen: (id: string) => void): Promise<void> {
  const waiting: ServerEvent[] = [];
  let latest = last;
  let ready = last !== "";
  let loading: Promise<void> | null = null;
  const load = async () => {
    await Promise.all(KINDS.map(reload));
    ready = true;
    apply(waiting.splice(0));
    seen(latest);
    good();
    become({ state: "live" });
  };
  const begin = () => {
    ready = false;
    waiting.length = 0;
    loading = load();
    loading.catch(() => attempt.abort());
  };
  for await (const batch of follow("/api/v1/events", last, attempt)) {
    if (ready) {
      good();
      if (connection.state !== "live") become({ state: "live" });
    } else if (loading === null) begin();
    for (const event of batch) {
      latest = event.id;
      if (event.name === "reset") begin();
      else waiting.push(event);
    }
    if (ready) {
      apply(waiting.splice(0));
      seen(latest);
    }
  }
  await loading;
}

/** Apply changes to the lists: one new list for each kind, however many changes. */
function apply(batch: ServerEvent[]): void {
  const changed = new Map<Kind, Map<string, Kinds[Kind]>>();
  for (const { data } of batch) {
    const { change, kind, object } = JSON.parse(data) as { change: string; kind: Kind; object: Kinds[Kind] };
    const objects = changed.get(kind) ?? new Map(client.getQueryData<Objects<Kind>>(["objects", kind]));
    changed.set(kind, objects);
    const name = nameOf(kind, object);
    remember(kind, name, change === "deleted" ? null : object);
    if (change === "deleted") objects.delete(name);
    else objects.set(name, object);
  }
  for (const [kind, objects] of changed) client.setQueryData(["objects", kind], objects);
}

async function read(kind: Kind): Promise<Map<string, Kinds[Kind]>> {
  const found = new Map<string, Kinds[Kind]>();
  let after: string | null = "";
  while (after !== null) {
    const page: { next: string | null } & Record<string, unknown> = await get(
      `/api/v1/${kind}s?limit=${PAGE}${after ? `&after=${encodeURIComponent(after)}` : ""}`,
    );
    for (const each of page[`${kind}s`] as Kinds[Kind][]) {
      found.set(nameOf(kind, each), each);
      remember(kind, nameOf(kind, each), each);
    }
    after = page.next;
  }
  return found;
}
