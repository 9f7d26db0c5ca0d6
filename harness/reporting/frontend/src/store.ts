// One test's events: columns in memory, and data that is unpacked slice by slice on demand.

import { type PackedEvents, type Series, gunzip } from "./data";

export const KINDS = ["message", "state", "fault", "console", "note"] as const;
export type Kind = (typeof KINDS)[number];
export const MESSAGE = 0, STATE = 1, FAULT = 2, CONSOLE = 3, NOTE = 4;
export type Data = Record<string, unknown>;

const KEPT = 96;
const NONE = new Uint32Array();

export class EventStore {
  readonly series: Series[];
  readonly cause: number | null;
  readonly pictures: Record<string, string>;
  private readonly slices = new Map<number, string[]>();
  private readonly coming = new Map<number, Promise<string[]>>();
  private subjects: Map<number, Uint32Array> | null = null;

  private constructor(
    private readonly packed: PackedEvents,
    readonly length: number,
    readonly at: Float64Array,
    private readonly words: Uint32Array[],
    readonly kind: Uint8Array,
  ) {
    this.series = packed.series;
    this.cause = packed.cause;
    this.pictures = packed.pictures;
  }

  static async open(packed: PackedEvents): Promise<EventStore> {
    const buffer = await (await gunzip(packed.columns)).arrayBuffer();
    const length = buffer.byteLength / (8 + 6 * 4 + 1);
    const words = Array.from({ length: 6 }, (_, index) => new Uint32Array(buffer, length * (8 + 4 * index), length));
    return new EventStore(packed, length, new Float64Array(buffer, 0, length), words, new Uint8Array(buffer, length * 32, length));
  }

  get strings(): string[] { return this.packed.strings; }
  get sourceIds(): Uint32Array { return this.words[0]!; }
  get targetIds(): Uint32Array { return this.words[1]!; }
  get nameIds(): Uint32Array { return this.words[2]!; }
  get correlationIds(): Uint32Array { return this.words[3]!; }
  get subjectIds(): Uint32Array { return this.words[4]!; }
  get briefIds(): Uint32Array { return this.words[5]!; }

  source(n: number): string { return this.strings[this.sourceIds[n]!]!; }
  target(n: number): string { return this.strings[this.targetIds[n]!]!; }
  name(n: number): string { return this.strings[this.nameIds[n]!]!; }
  correlation(n: number): string { return this.strings[this.correlationIds[n]!]!; }
  /** The device, board or object in the event's data, else its correlation. */
  subject(n: number): string { return this.strings[this.subjectIds[n]! || this.correlationIds[n]!]!; }
  brief(n: number): string { return this.strings[this.briefIds[n]!]!; }
  kindName(n: number): Kind { return KINDS[this.kind[n]!]!; }

  get end(): number { return this.length ? this.at[this.length - 1]! : 0; }

  /** The events about a device, application or gateway, in order. */
  about(name: string): Uint32Array {
    this.subjects ??= this.group();
    const id = this.strings.indexOf(name);
    return (id > 0 && this.subjects.get(id)) || NONE;
  }

  /** The last event with that name, or null. */
  last(name: string): number | null {
    const id = this.strings.indexOf(name), n = id < 0 ? -1 : this.nameIds.lastIndexOf(id);
    return n < 0 ? null : n;
  }

  /** The names of all subjects. */
  names(): string[] {
    this.subjects ??= this.group();
    return [...this.subjects.keys()].map((id) => this.strings[id]!);
  }

  private group(): Map<number, Uint32Array> {
    const found = new Map<number, number[]>();
    const add = (id: number, n: number): void => {
      const list = found.get(id);
      if (list) list.push(n);
      else if (id) found.set(id, [n]);
    };
    for (let n = 0; n < this.length; n += 1) {
      const [correlation, subject] = [this.correlationIds[n]!, this.subjectIds[n]!];
      add(correlation, n);
      if (subject !== correlation) add(subject, n);
    }
    return new Map([...found].map(([id, list]) => [id, Uint32Array.from(list)]));
  }

  /** The event's data, or undefined before `load` has unpacked its slice. */
  data(n: number): Data | undefined {
    const line = this.slices.get(Math.floor(n / this.packed.chunk))?.[n % this.packed.chunk];
    return line === undefined ? undefined : (JSON.parse(line) as Data);
  }

  has(n: number): boolean { return this.slices.has(Math.floor(n / this.packed.chunk)); }

  async load(n: number): Promise<Data> {
    const lines = await this.slice(Math.floor(n / this.packed.chunk));
    return JSON.parse(lines[n % this.packed.chunk]!) as Data;
  }

  private slice(index: number): Promise<string[]> {
    const known = this.slices.get(index);
    if (known) {
      this.slices.delete(index);
      this.slices.set(index, known);
      return Promise.resolve(known);
    }
    let work = this.coming.get(index);
    if (!work) {
      work = gunzip(this.packed.chunks[index]!).then((response) => response.text()).then((text) => {
        const lines = text.split("\n");
        this.slices.set(index, lines);
        this.coming.delete(index);
        if (this.slices.size > KEPT) this.slices.delete(this.slices.keys().next().value!);
        return lines;
      });
      this.coming.set(index, work);
    }
    return work;
  }

  /** The events of `among` whose columns or data contain `text`. Works slice by slice, so that the page stays responsive. */
  async search(text: string, among: Uint32Array, progress: (found: number[], done: number) => boolean): Promise<void> {
    const wanted = text.toLowerCase();
    const hit = Uint8Array.from(this.strings, (word) => Number(word.toLowerCase().includes(wanted)));
    const found: number[] = [];
    let lines: string[] = [], present = -1;
    for (let index = 0; index < among.length; index += 1) {
      const n = among[index]!, slice = Math.floor(n / this.packed.chunk);
      if (slice !== present) {
        lines = await this.slice(slice);
        present = slice;
        if (!progress(found, index / among.length)) return;
      }
      if (this.words.some((column) => hit[column[n]!]) || lines[n % this.packed.chunk]!.toLowerCase().includes(wanted)) found.push(n);
    }
    progress(found, 1);
  }

  /** The first event of `among` (sorted) at or after `at`. */
  lowerBound(at: number, among?: Uint32Array): number {
    let low = 0, high = among ? among.length : this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.at[among ? among[middle]! : middle]! < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
