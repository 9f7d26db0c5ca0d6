// The console of a device's board, live: its latest lines, and what its manager did, at the end unless it is scrolled up.

import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { Button } from "react-aria-components";
import { Refused } from "./api";
import { clock } from "./format";
import { Card } from "./parts";
import { usePreferences, useTexts } from "./preferences";
import { follow, persist } from "./stream";

interface Line {
  key: number;
  at: string;
  source: "board" | "manager";
  line: string;
}

type State = { name: "connecting" | "live" } | { name: "none" | "lost"; why: string };

const MOST_LINES = 1_000;
/** Pixels from the end that still count as the end. */
const NEAR = 24;

/** `board` is another text when the board may have another console. */
export function Console({ device, board }: { device: string; board: string }) {
  const t = useTexts();
  const { language } = usePreferences();
  const { lines, state } = useConsole(device, board);
  const box = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const toEnd = () => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
    setAtEnd(true);
  };
  useLayoutEffect(() => {
    if (atEnd) toEnd();
  }, [lines, atEnd]);
  const note = state.name === "none" ? state.why : state.name === "lost" ? t.consoleLost(state.why) : state.name === "connecting" ? t.connecting : "";
  return (
    <Card title={t.console} aside={!atEnd && <Button className="button" onPress={toEnd}>{t.toEnd}</Button>}>
      {note && <p className="quiet" role="status">{note}</p>}
      {lines.length === 0 ? state.name === "live" && <p className="quiet">{t.nothingWritten}</p> : (
        <div
          className="console" role="log" aria-label={t.console} aria-live="off" tabIndex={0} ref={box}
          onScroll={({ currentTarget: it }) => setAtEnd(it.scrollHeight - it.scrollTop - it.clientHeight < NEAR)}
        >
          {lines.map((each) => (
            <div key={each.key} data-source={each.source} title={clock(Date.parse(each.at), language)}><time dateTime={each.at}>{clock(Date.parse(each.at), language)}</time><span>{each.line}</span></div>
          ))}
        </div>
      )}
    </Card>
  );
}

function useConsole(device: string, board: string): { lines: readonly Line[]; state: State } {
  const [lines, setLines] = useState<readonly Line[]>([]);
  const [state, setState] = useState<State>({ name: "connecting" });
  const last = useRef("");
  const counted = useRef(0);
  useEffect(() => {
    const stop = new AbortController();
    const path = `/api/v1/devices/${encodeURIComponent(device)}/console/events`;
    const once = async (attempt: AbortController, good: () => void) => {
      for await (const batch of follow(path, last.current, attempt)) {
        good();
        setState({ name: "live" });
        const behind = batch.findLastIndex((each) => each.name === "reset");
        const added = batch.filter((each) => each.name === "line")
          .map((each) => ({ ...(JSON.parse(each.data) as Omit<Line, "key">), key: counted.current++ }));
        if (batch.length) last.current = batch[batch.length - 1]?.id ?? "";
        if (behind >= 0) setLines(added.slice(-MOST_LINES));
        else if (added.length) setLines((present) => [...present, ...added].slice(-MOST_LINES));
      }
    };
    void persist(stop.signal, once, (error) => {
      const why = error instanceof Error ? error.message : "";
      const final = error instanceof Refused && [401, 403, 404].includes(error.status);
      setState(final ? { name: "none", why } : { name: "lost", why });
      return !final;
    });
    return () => stop.abort();
  }, [device, board]);
  return { lines, state };
}
