// A line over time with an axis in its unit. The pointer, or a table, gives the values.

import { useRef, useState } from "preact/hooks";
import { quantity, roundUp, seconds, tick } from "./format";

const WIDTH = 480, HEIGHT = 96, LOW = 88, HIGH = 8;

interface Props {
  name: string;
  unit: string;
  points: [at: number, value: number][];
  /** The names of runs, if the points are at runs (counted from 1) and not at seconds. */
  runs?: string[];
  end?: number;
  /** The least value that the axis reaches. */
  scale?: number;
  /** The times of faults. */
  marks?: number[];
}

export function Chart({ name, unit, points, runs, end, scale = 1e-9, marks = [] }: Props) {
  const box = useRef<SVGSVGElement>(null);
  const [over, setOver] = useState<number | null>(null);
  const start = runs ? 1 : 0, stop = Math.max(end ?? runs?.length ?? points.at(-1)?.[0] ?? 1, start + 1e-9);
  const most = Math.max(...points.map(([, value]) => value)), top = roundUp(Math.max(most, scale), unit);
  const whole = !unit && points.every(([, value]) => Number.isInteger(value));
  const ticks = [top, top / 2, 0].filter((value) => !whole || Number.isInteger(value));
  const x = (at: number): number => ((at - start) / (stop - start)) * WIDTH;
  const y = (value: number): number => LOW - (value / top) * (LOW - HIGH);
  const path = points.map(([at, value], index) =>
    index === 0 ? `M${x(at).toFixed(1)},${y(value).toFixed(1)}` : runs ? `L${x(at).toFixed(1)},${y(value).toFixed(1)}` : `H${x(at).toFixed(1)}V${y(value).toFixed(1)}`).join("");
  const point = over === null ? undefined : points[over];
  const label = (at: number): string => runs?.[at - 1] ?? seconds(at);
  const find = (event: PointerEvent): void => {
    const place = box.current!.getBoundingClientRect();
    const at = start + ((event.clientX - place.left) / place.width) * (stop - start);
    const next = points.findIndex(([time]) => time > (runs ? at + 0.5 : at)); // seconds: the step that holds then; runs: the nearest
    setOver(next < 0 ? points.length - 1 : Math.max(0, next - 1));
  };
  return (
    <figure class="chart">
      <figcaption>
        <span class="own">{name}</span>{" "}
        <span class="number">{point ? `${quantity(point[1], unit)} at ${label(point[0])}` : runs ? `latest ${quantity(points.at(-1)![1], unit)}` : `highest ${quantity(most, unit)}`}</span>
      </figcaption>
      <div class="plot">
        <div class="scale quiet" aria-hidden="true">
          <span class="widest">{tick(top, unit)}</span>
          {ticks.map((value) => <span key={value} style={{ top: `${(100 * y(value)) / HEIGHT}%` }}>{tick(value, value ? unit : "")}</span>)}
        </div>
        <svg ref={box} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true" onPointerMove={find} onPointerLeave={() => setOver(null)}>
          {ticks.map((value) => <path key={value} class={value ? "grid" : "base"} d={`M0,${y(value)}H${WIDTH}`} />)}
          <path class="area" d={`${path}V${LOW}H${x(points[0]?.[0] ?? start)}Z`} />
          {marks.slice(0, 200).map((at) => <path key={at} class="fault-mark" d={`M${x(at).toFixed(1)},${HIGH - 4}V${LOW}`} />)}
          <path class="line" d={path} />
          {runs && <path class="dots" d={points.map(([at, value]) => `M${x(at).toFixed(1)},${y(value).toFixed(1)}h0`).join("")} />}
          {point && <path class="cross" d={`M${x(point[0])},${HIGH - 4}V${LOW}`} />}
        </svg>
        <div class="ends quiet" aria-hidden="true"><span>{runs ? "oldest" : "0 s"}</span><span>{runs ? "newest" : seconds(stop)}</span></div>
      </div>
      <details>
        <summary>Values</summary>
        <div class="values" role="region" aria-label={`Values of ${name}`} tabIndex={0}>
          <table>
            <thead><tr><th scope="col">{runs ? "run" : "time"}</th><th scope="col">{name}</th></tr></thead>
            <tbody>{points.map(([at, value]) => <tr key={at}><td class="number">{label(at)}</td><td class="number">{quantity(value, unit)}</td></tr>)}</tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}
