// The console of each board with its faults and power; a selected line leads to the events near it.

import { useEffect, useMemo, useState } from "preact/hooks";
import { Detail } from "./detail";
import { Chips, Empty } from "./parts";
import { Rows } from "./rows";
import { useSlices } from "./slices";
import { CONSOLE, type EventStore, FAULT, NOTE } from "./store";
import { clock, count, natural } from "./format";

interface Props { store: EventStore; chosen: number | null; choose: (event: number | null) => void; show: (event: number) => void }
interface Board { name: string; lines: number; faults: number }

const SHOWN = new Set([CONSOLE, FAULT, NOTE]);
const ALL = "all boards";

function boards(store: EventStore): Board[] {
  const found = new Map<string, Board>();
  for (let n = 0; n < store.length; n += 1) {
    const kind = store.kind[n]!;
    if (kind !== CONSOLE && kind !== FAULT) continue;
    const name = store.subject(n);
    const board = found.get(name) ?? { name, lines: 0, faults: 0 };
    if (kind === CONSOLE) board.lines += 1;
    else board.faults += 1;
    found.set(name, board);
  }
  const named = [...found.values()].filter((board) => board.name && board.lines).sort((a, b) => natural(a.name, b.name));
  const sum = (key: "lines" | "faults"): number => named.reduce((total, board) => total + board[key], 0);
  return named.length > 1 ? [{ name: ALL, lines: sum("lines"), faults: sum("faults") }, ...named] : named;
}

export function Consoles({ store, chosen, choose, show }: Props) {
  const all = useMemo(() => boards(store), [store]);
  const [board, setBoard] = useState(() => {
    const about = chosen === null ? "" : store.subject(chosen);
    return all.some((one) => one.name === about) ? about : all[0]?.name ?? "";
  });
  const [find, setFind] = useState("");
  const [text, setText] = useState("");
  const [only, setOnly] = useState<string[]>([]);
  const own = useMemo(() => {
    const among = board === ALL ? store.kind.keys() : store.about(board).values();
    return Uint32Array.from([...among].filter((n) => SHOWN.has(store.kind[n]!) && (board === ALL ? store.kind[n] !== NOTE : true)));
  }, [store, board]);
  const [lines, setLines] = useState<ArrayLike<number>>(own);
  useEffect(() => {
    if (!text) { setLines(own); return; }
    let wanted = true;
    void store.search(text, own, (found) => { if (wanted) setLines([...found]); return wanted; });
    return () => { wanted = false; };
  }, [own, text]);
  const shownBoards = useMemo(() => all.filter((one) => one.name.toLowerCase().includes(find.toLowerCase()) && (!only.length || one.faults > 0)), [all, find, only]);
  const [, sight] = useSlices(store, lines);
  const index = useMemo(() => (chosen === null ? -1 : Array.prototype.indexOf.call(lines, chosen)), [lines, chosen]);
  if (!all.length) return <Empty>No board wrote to its console.</Empty>;
  const line = (row: number) => {
    const n = lines[row]!, data = store.data(n);
    const said = store.kind[n] === CONSOLE ? String(data?.["text"] ?? data?.["line"] ?? "") : `${store.name(n)} ${store.brief(n)}`;
    return (
      <span class={`line ${store.kindName(n)}`}>
        <span class="number quiet">{clock(store.at[n]!)} </span>
        {board === ALL && <span class="who">{store.subject(n)} </span>}
        <span class="said">{said}</span>
      </span>
    );
  };
  return (
    <div class="split three">
      <div class="choice">
        <input type="search" placeholder="Find a board" aria-label="Find a board" value={find} onInput={(event) => setFind(event.currentTarget.value)} />
        {all.some((one) => one.faults) && <Chips label="Boards" all={["with faults"]} chosen={only} choose={setOnly} />}
        <Rows class="box" label="Boards" length={shownBoards.length} height={30} chosen={shownBoards.findIndex((one) => one.name === board)}
          choose={(row) => setBoard(shownBoards[row]!.name)}
          row={(row) => {
            const one = shownBoards[row]!;
            return <span class="entry"><span class="own">{one.name}</span> {one.faults > 0 && <span class="fault">{one.faults} </span>}<span class="number quiet">{count(one.lines)}</span></span>;
          }} />
      </div>
      <div class="console">
        <input type="search" placeholder="Search the console" aria-label="Search the console" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        <Rows class="box mono" label="Lines" length={lines.length} height={22} chosen={index} choose={(row) => choose(lines[row]!)} sight={sight} row={line} />
      </div>
      <Detail store={store} chosen={chosen} choose={show} show={show} />
    </div>
  );
}
