// The terminal's screen. It is loaded when its page is opened. Output is text: escape sequences in it are shown, not obeyed.

import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { useEffect, useRef } from "react";

export interface Line {
  key: number;
  kind: "command" | "output" | "error";
  text: string;
}

const COLOURS = { command: "\x1b[1;36m", output: "", error: "\x1b[31m" };
const BLACK = { background: "#101317", foreground: "#e7eaee", cyan: "#79b8f7", red: "#ff9d94", cursor: "#101317" };
const LETTER = 8.4;
const ROWS = 24;

export default function Screen({ label, lines }: { label: string; lines: readonly Line[] }) {
  const place = useRef<HTMLDivElement>(null);
  const terminal = useRef<Terminal | null>(null);
  const written = useRef(0);
  useEffect(() => {
    const box = place.current as HTMLDivElement;
    const columns = Math.max(20, Math.floor((box.clientWidth - 20) / LETTER));
    const made = new Terminal({ cols: columns, rows: ROWS, convertEol: true, disableStdin: true, fontSize: 14, scrollback: 5_000, screenReaderMode: true, theme: BLACK });
    made.open(box);
    made.textarea?.setAttribute("aria-label", label);
    terminal.current = made;
    written.current = 0;
    return () => made.dispose();
  }, [label]);
  useEffect(() => {
    const made = terminal.current;
    if (!made) return;
    if (lines.length === 0) made.reset();
    for (const line of lines.filter((each) => each.key > written.current)) {
      made.writeln(`${COLOURS[line.kind]}${line.kind === "command" ? "$ " : ""}${harmless(line.text)}\x1b[0m`);
      written.current = line.key;
    }
  }, [lines]);
  return <div className="screen" ref={place} />;
}

/** The text with its control characters as pictures, except for line breaks and tabs. */
function harmless(text: string): string {
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, (each) => (each === "\r" ? "" : String.fromCharCode(0x2400 + (each.charCodeAt(0) % 0x20))));
}
