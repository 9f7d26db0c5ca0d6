// The whole history over time: a lane for each board, device and application, or for each participant.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { type Lane, boardLanes, participantLanes } from "./lanes";
import { AXIS, type Geometry, LANES_TOP, type Span, draw, hit } from "./painter";
import { type EventStore, FAULT } from "./store";
import { clock, count, px, seconds } from "./format";

interface Props {
  store: EventStore;
  span: Span;
  whole: Span;
  setSpan: (span: Span) => void;
  chosen: number | null;
  choose: (event: number) => void;
  about: string;
  fault: (step: 1 | -1) => void;
}

const TALLEST = 300, THINNEST = 0.25, GUTTER = 116;

export function TimeMap({ store, span, whole, setSpan, chosen, choose, about, fault }: Props) {
  const boards = useMemo(() => boardLanes(store), [store]);
  const participants = useMemo(() => participantLanes(store), [store]);
  const [by, setBy] = useState<"subject" | "participant">(boards.length ? "subject" : "participant");
  const all = by === "subject" ? boards : participants;
  const lanes = useMemo(() => (about && by === "subject" ? all.filter((lane) => lane.name === about || store.about(about).some((n) => lane.holds(n))) : all), [all, about, by]);
  const [fit, setFit] = useState(true);
  const natural = lanes.length > 20 ? 12 : 18, crowded = lanes.length * natural > TALLEST;
  const height = crowded && fit ? Math.max(TALLEST / lanes.length, THINNEST) : natural;
  const box = useRef<HTMLDivElement>(null), canvas = useRef<HTMLCanvasElement>(null);
  const [[width, top], setView] = useState([900, 0]);
  const [over, setOver] = useState<{ x: number; y: number; event: number | null; lane: Lane | null } | null>(null);
  const [drag, setDrag] = useState<[number, number] | null>(null);
  const room = Math.min(TALLEST, lanes.length * height) + AXIS + LANES_TOP;
  const gutter = width < 520 ? 64 : GUTTER;
  const geometry: Geometry = { width, room, gutter, height, top, span };
  const faults = useMemo(() => [...store.kind.keys()].filter((n) => store.kind[n] === FAULT), [store]);

  useLayoutEffect(() => {
    const watch = new ResizeObserver(() => { if (box.current) setView(([, kept]) => [box.current!.clientWidth, kept]); });
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, []);
  const [dark, setDark] = useState(0);
  useEffect(() => {
    const scheme = matchMedia("(prefers-color-scheme: dark)"), turn = (): void => setDark((count) => count + 1);
    scheme.addEventListener("change", turn);
    return () => scheme.removeEventListener("change", turn);
  }, []);
  useLayoutEffect(() => draw(canvas.current!, store, lanes, geometry, { chosen, faults, drag, over: over?.x ?? null }),
    [store, lanes, width, top, span, chosen, drag, over?.x, dark, height]);

  const time = (x: number): number => span[0] + ((x - gutter) / (width - gutter)) * (span[1] - span[0]);
  const limit = (from: number, to: number): void => {
    const length = Math.max(Math.min(to - from, whole[1]), 1e-6);
    if (length >= whole[1]) { setSpan(whole); return; }
    const start = Math.max(0, Math.min(from, whole[1] - length));
    setSpan([start, start + length]);
  };
  const zoom = (factor: number, around = chosen !== null ? store.at[chosen]! : (span[0] + span[1]) / 2): void => {
    const middle = Math.max(span[0], Math.min(span[1], around));
    limit(middle - (middle - span[0]) / factor, middle + (span[1] - middle) / factor);
  };
  const shift = (part: number): void => { const by = (span[1] - span[0]) * part; limit(span[0] + by, span[1] + by); };
  const scroller = useRef<HTMLDivElement>(null);
  const press = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act: Record<string, () => void> = {
      "+": () => zoom(2), "=": () => zoom(2), "-": () => zoom(0.5), "0": () => setSpan(whole), f: () => fault(1), F: () => fault(-1), ArrowLeft: () => shift(-0.2), ArrowRight: () => shift(0.2),
      ArrowDown: () => scroller.current?.scrollBy({ top: 3 * height }), ArrowUp: () => scroller.current?.scrollBy({ top: -3 * height }),
      PageDown: () => scroller.current?.scrollBy({ top: TALLEST }), PageUp: () => scroller.current?.scrollBy({ top: -TALLEST }),
    };
    if (act[event.key]) { event.preventDefault(); act[event.key]!(); }
  };
  // A listener that is not passive, because only that can prevent the browser's own zoom.
  useEffect(() => {
    const wheel = (event: WheelEvent): void => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1.25 : 0.8, time(event.clientX - box.current!.getBoundingClientRect().left));
    };
    box.current!.addEventListener("wheel", wheel, { passive: false });
    return () => box.current?.removeEventListener("wheel", wheel);
  });

  const place = (event: PointerEvent): [number, number] => {
    const edge = canvas.current!.getBoundingClientRect();
    return [event.clientX - edge.left, event.clientY - edge.top];
  };
  const point = (event: PointerEvent): void => {
    const [x, y] = place(event);
    if (drag) { setDrag([drag[0], x]); setOver(null); return; }
    setOver({ x, y, ...hit(store, lanes, geometry, x, y, faults) });
  };
  const release = (event: PointerEvent): void => {
    const [x, y] = place(event), start = drag?.[0] ?? x;
    setDrag(null);
    if (Math.abs(x - start) > 5) limit(time(Math.max(gutter, Math.min(x, start))), time(Math.max(gutter, x, start)));
    else {
      const found = hit(store, lanes, geometry, x, y, faults).event;
      if (found !== null) choose(found);
    }
  };
  return (
    <section class="map" aria-label="Map of the history">
      <div class="controls">
        <div class="chips" role="group" aria-label="Lanes">
          {boards.length > 0 && <button type="button" aria-pressed={by === "subject"} onClick={() => setBy("subject")}>By device</button>}
          <button type="button" aria-pressed={by === "participant"} onClick={() => setBy("participant")}>By participant</button>
          {crowded && <button type="button" aria-pressed={fit} onClick={() => setFit(!fit)}>Fit all {count(lanes.length)} lanes</button>}
        </div>
        <div class="chips" role="group" aria-label="Zoom">
          <button type="button" aria-label="Zoom in" onClick={() => zoom(2)}>+</button>
          <button type="button" aria-label="Zoom out" onClick={() => zoom(0.5)}>&minus;</button>
          <button type="button" disabled={span === whole} onClick={() => setSpan(whole)}>Reset zoom</button>
        </div>
        <span class="quiet">{clock(span[0])} to {clock(span[1])} s<span class="hint">; drag to zoom</span></span>
        <Legend />
      </div>
      <div class="canvas" ref={box} tabIndex={0} role="group" aria-label="Events over time; plus and minus zoom, arrow keys move" onKeyDown={press} style={{ height: px(room) }}>
        <div class="scroll" ref={scroller} onScroll={(event) => setView([width, event.currentTarget.scrollTop])} style={{ height: px(room) }}>
          <div style={{ height: px(lanes.length * height + AXIS + LANES_TOP) }}>
            <canvas ref={canvas} aria-hidden="true" style={{ height: px(room) }}
              onPointerDown={(event) => { if (event.button === 0) { event.currentTarget.setPointerCapture(event.pointerId); setDrag([place(event)[0], place(event)[0]]); } }}
              onPointerMove={point} onPointerUp={release} onPointerCancel={() => setDrag(null)} onPointerLeave={() => setOver(null)} onDblClick={() => setSpan(whole)} />
          </div>
        </div>
        {over && <Tip over={over} store={store} at={time(over.x)} width={width} />}
      </div>
    </section>
  );
}

function Tip({ over, store, at, width }: { over: { x: number; y: number; event: number | null; lane: Lane | null }; store: EventStore; at: number; width: number }) {
  const phase = over.lane?.phaseAt(at);
  const side = over.x > width / 2 ? { right: px(width - over.x + 12) } : { left: px(over.x + 12) };
  return (
    <div class="tip" style={{ ...side, top: px(over.y + 14) }}>
      <b>{over.lane?.name ?? ""}</b> {phase && <span class={`phase ${phase}`}>{phase}</span>}
      <div class="number quiet">{seconds(at)}</div>
      {over.event !== null && <div class={store.kindName(over.event)}>{store.name(over.event)} {store.brief(over.event)}</div>}
    </div>
  );
}

const LEGEND = [["good", "Connected, Running"], ["way", "in transition"], ["off", "Disconnected, Stopped, down"], ["bad", "Failed, fault"]] as const;

function Legend() {
  return (
    <span class="legend quiet">
      {LEGEND.map(([name, text]) => <span key={name}><i class={`swatch ${name}`} /> {text} </span>)}
    </span>
  );
}
