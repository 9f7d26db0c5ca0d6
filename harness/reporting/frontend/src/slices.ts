// Renders a list again when the data of its visible rows has been unpacked.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { EventStore } from "./store";

export function useSlices(store: EventStore, rows: ArrayLike<number>): [ready: number, sight: (first: number, last: number) => void] {
  const [ready, setReady] = useState(0);
  const present = useRef(rows);
  const alive = useRef(true);
  present.current = rows;
  useEffect(() => () => { alive.current = false; }, []);
  const sight = useCallback((first: number, last: number) => {
    const lacking: number[] = [];
    for (let row = first; row < last && row < present.current.length; row += 1) if (!store.has(present.current[row]!)) lacking.push(present.current[row]!);
    if (lacking.length) void Promise.all(lacking.map((n) => store.load(n))).then(() => { if (alive.current) setReady((turn) => turn + 1); });
  }, [store]);
  return [ready, sight];
}
