// Server-sent events (WHATWG HTML, 9.2) by fetch, since the browser's EventSource cannot send a token.

import { send } from "./api";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;
/** Milliseconds without a sign of life: the server sends a comment every 15 s. */
const SILENCE = 45_000;

export interface ServerEvent {
  id: string;
  name: string;
  data: string;
}

/** Call `once` until `stop` is aborted or `lost` returns false, with longer and longer pauses; `good` makes them short. */
export async function persist(
  stop: AbortSignal,
  once: (attempt: AbortController, good: () => void) => Promise<void>,
  lost: (error: unknown) => boolean,
): Promise<void> {
  let wait = FIRST_WAIT;
  while (!stop.aborted) {
    const attempt = new AbortController();
    const end = () => attempt.abort();
    stop.addEventListener("abort", end);
    let failure: unknown = null;
    try {
      await once(attempt, () => (wait = FIRST_WAIT));
    } catch (error) {
      failure = error;
    } finally {
      stop.removeEventListener("abort", end);
      attempt.abort();
    }
    if (stop.aborted || !lost(failure)) return;
    await pause(wait, stop);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

/** Yield the events at `path` behind the one with the id `last`, in batches. A stream that is silent is given up. */
export async function* follow(path: string, last: string, attempt: AbortController): AsyncGenerator<ServerEvent[]> {
  let silence = 0;
  const alive = () => {
    clearTimeout(silence);
    silence = window.setTimeout(() => attempt.abort(), SILENCE);
  };
  alive();
  try {
    const headers: Record<string, string> = last ? { "Last-Event-ID": last } : {};
    const answer = await send(path, { headers, signal: attempt.signal, cache: "no-store" });
    yield [];
    if (answer.body !== null) yield* events(answer.body, alive);
  } finally {
    clearTimeout(silence);
  }
}

/** Yield the events of an answer's body; `alive` is called for whatever arrives, comments too. */
async function* events(body: ReadableStream<Uint8Array>, alive: () => void): AsyncGenerator<ServerEvent[]> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    alive();
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop() ?? "";
    const found = blocks.map(parse).filter((each) => each !== null);
    if (found.length) yield found;
  }
}

function parse(block: string): ServerEvent | null {
  const event: ServerEvent = { id: "", name: "message", data: "" };
  let fields = 0;
  for (const line of block.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon < 1) continue;
    fields += 1;
    const value = line.slice(colon + 2);
    const field = line.slice(0, colon);
    if (field === "id") event.id = value;
    else if (field === "event") event.name = value;
    else if (field === "data") event.data += event.data ? `\n${value}` : value;
  }
  return fields ? event : null;
}

function pause(milliseconds: number, stop: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, milliseconds);
    stop.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });
}
