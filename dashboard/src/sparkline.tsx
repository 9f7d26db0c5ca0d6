// A number over time, as a line without axes: the number itself stands beside it.

const WIDTH = 90;
const HEIGHT = 22;

export function Sparkline({ label, points }: { label: string; points: readonly { at: number; value: number }[] }) {
  if (points.length < 2) return null;
  const first = points[0]!;
  const last = points.at(-1)!;
  const values = points.map((each) => each.value);
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const time = last.at - first.at || 1;
  const drawn = points.map((each) => `${((each.at - first.at) / time) * WIDTH},${HEIGHT - 1 - ((each.value - low) / span) * (HEIGHT - 2)}`);
  return (
    <svg className="sparkline" role="img" aria-label={`${label}: ${first.value} – ${last.value}`} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT}>
      <polyline points={drawn.join(" ")} fill="none" stroke="currentColor" strokeWidth="1.5" />
    </svg>
  );
}
