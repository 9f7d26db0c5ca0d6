// The platform's objects, kept current: the lists are read once, and each change arrives as an event.
//
// The stream is opened before the lists are read, and what arrives in between is applied to them afterwards, in order, so
// that no change is missed. After a break the stream goes on behind the last event; `reset` says that changes are lost,
// and the lists are read again.

import { QueryClient, useQuery } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { get, Refused, send } from "./api";
import { remember } from "./history";
import { events, type ServerEvent } from "./stream";
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

const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;
/** Milliseconds without a sign of life: the server sends a comment every 15 s. */
const SILENCE = 45_000;
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
export async function follow(stop: AbortSignal): Promise<void> {
  let last = "";
  let wait = FIRST_WAIT;
  become({ state: "connecting" });
  while (!stop.aborted) {
    const attempt = new AbortController();
    const end = () => attempt.abort();
    stop.addEventListener("abort", end);
    let why = "";
    try {
      await connect(last, attempt, () => (wait = FIRST_WAIT), (id) => (last = id));
    } catch (error) {
      if (stop.aborted) return;
      if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
        become({ state: "refused", refusal: error });
        return;
      }
      why = error instanceof Error ? error.message : String(error);
    } finally {
      stop.removeEventListener("abort", end);
      attempt.abort();
    }
    if (stop.aborted) return;
    if (connection.state !== "lost") become({ state: "lost", since: new Date(), why });
    await pause(wait, stop);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

async function connect(last: string, attempt: AbortController, good: () => void, seen: (id: string) => void): Promise<void> {
  let silence = 0;
  const alive = () => {
    clearTimeout(silence);
    silence = window.setTimeout(() => attempt.abort(), SILENCE);
  };
  alive();
  try {
    const headers: Record<string, string> = last ? { "Last-Event-ID": last } : {};
    const answer = await send("/api/v1/events", { headers, signal: attempt.signal, cache: "no-store" });
    if (answer.body === null) return;
    const waiting: ServerEvent[] = [];
    let latest = last;
    let ready = last !== "";
    const load = async () => {
      await Promise.all(KINDS.map(reload));
      ready = true;
      apply(waiting.splice(0));
      seen(latest);
      good();
      become({ state: "live" });
    };
    let loading: Promise<void> = Promise.resolve();
    const begin = () => {
      ready = false;
      waiting.length = 0;
      loading = load();
      loading.catch(() => attempt.abort());
    };
    if (ready) {
      good();
      become({ state: "live" });
    } else begin();
    for await (const batch of events(answer.body, alive)) {
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
  } finally {
    clearTimeout(silence);
  }
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

function pause(milliseconds: number, stop: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, milliseconds);
    stop.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });
}
