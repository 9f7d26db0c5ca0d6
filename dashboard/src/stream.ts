// Server-sent events (WHATWG HTML, 9.2) by fetch, since the browser's EventSource cannot send a token.

export interface ServerEvent {
  id: string;
  name: string;
  data: string;
}

/** Yield the events of an answer's body; `alive` is called for whatever arrives, comments too. */
export async function* events(body: ReadableStream<Uint8Array>, alive: () => void): AsyncGenerator<ServerEvent[]> {
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
