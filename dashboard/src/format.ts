// Times and numbers for readers.

const formats = new Map<string, Intl.DateTimeFormat>();

/** A format, made once: that takes longer than to use it. */
function format(language: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = language + Object.keys(options).join();
  let found = formats.get(key);
  if (!found) formats.set(key, (found = new Intl.DateTimeFormat(language, options)));
  return found;
}

export function clock(at: Date | number, language: string): string {
  return format(language, { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(at);
}

export function moment(at: string | null | undefined, language: string): string {
  if (!at) return "–";
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return at;
  return format(language, { dateStyle: "medium", timeStyle: "medium" }).format(time);
}

export function duration(seconds: number, language: string): string {
  const units: [number, string][] = [[86_400, "day"], [3_600, "hour"], [60, "minute"], [1, "second"]];
  const begin = Math.max(0, units.findIndex(([size]) => seconds >= size));
  const parts: string[] = [];
  let rest = Math.floor(seconds);
  for (const [size, unit] of (seconds >= 1 ? units.slice(begin, begin + 2) : units.slice(3))) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count || parts.length === 0) parts.push(new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }).format(count));
  }
  return parts.join(" ");
}

export function bytes(count: number, language: string): string {
  if (count < 1024) return new Intl.NumberFormat(language, { style: "unit", unit: "byte", unitDisplay: "long" }).format(count);
  const kibi = count < 1 << 20;
  const value = new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(count / (kibi ? 1024 : 1 << 20));
  return `${value} ${kibi ? "KiB" : "MiB"}`;
}

/** Count how often each value comes, in the order of `order`, then of appearance. */
export function tally(values: Iterable<string>, order: readonly string[] = []): [string, number][] {
  const found = new Map<string, number>(order.map((each) => [each, 0]));
  for (const each of values) found.set(each, (found.get(each) ?? 0) + 1);
  return [...found];
}
