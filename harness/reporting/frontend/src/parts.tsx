// Small components that several views use.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { style } from "./format";

/** Filters that are on or off; if all are off, everything is shown. */
export function Chips({ label, all, chosen, choose }: { label: string; all: readonly string[]; chosen: string[]; choose: (chosen: string[]) => void }) {
  return (
    <div class="chips" role="group" aria-label={label}>
      {all.map((name) => (
        <button key={name} type="button" class={style(name)} aria-pressed={chosen.includes(name)}
          onClick={() => choose(chosen.includes(name) ? chosen.filter((other) => other !== name) : [...chosen, name])}>{name}</button>
      ))}
    </div>
  );
}

async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

export function Copy({ text, what }: { text: string; what: string }) {
  const [done, setDone] = useState(false);
  const press = (): void => { void copy(text).then(() => { setDone(true); setTimeout(() => setDone(false), 1500); }); };
  return <button type="button" class="plain" onClick={press} aria-label={`Copy ${what}`}><span role="status">{done ? "Copied" : "Copy"}</span></button>;
}

/** A command that breaks between its arguments, not at a hyphen. */
export function Words({ text }: { text: string }) {
  return <code>{text.split(" ").flatMap((word, index) => [index ? " " : "", <span key={index} class="word">{word}</span>])}</code>;
}

export function Command({ text }: { text: string }) {
  return <div class="command"><Words text={text} /><Copy text={text} what="the command" /></div>;
}

/** A text; if it is long, its first lines and a button for the rest. */
export function Message({ text }: { text: string }) {
  const lines = text.split("\n");
  const [whole, setWhole] = useState(lines.length <= 24);
  return (
    <>
      <pre class="message-text">{whole ? text : lines.slice(0, 16).join("\n")}</pre>
      {!whole && <button type="button" class="plain" onClick={() => setWhole(true)}>Show all {lines.length} lines</button>}
    </>
  );
}

export function Keys({ keys }: { keys: [key: string, what: string][] }) {
  return <p class="keys quiet">{keys.map(([key, what]) => <span key={key}><kbd>{key}</kbd> {what} </span>)}</p>;
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="quiet empty">{children}</p>;
}
