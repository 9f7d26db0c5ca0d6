// A list of any length that creates only its visible rows. Keys move the selection, as in a listbox.

import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { px } from "./format";

const OVERSCAN = 8;

interface Props {
  class: string;
  label: string;
  length: number;
  height: number;
  row: (index: number) => ComponentChildren;
  role?: "listbox" | "list";
  /** The selected row, -1 for none. The list scrolls to it when it changes. */
  chosen?: number;
  choose?: (index: number) => void;
  /** Called with the range of visible rows. */
  sight?: (first: number, last: number) => void;
  width?: number;
  header?: ComponentChildren;
  keys?: (event: KeyboardEvent) => boolean;
  box?: RefObject<HTMLDivElement | null>;
}

export function Rows({ role = "listbox", chosen = -1, ...props }: Props) {
  const own = useRef<HTMLDivElement>(null);
  const box = props.box ?? own;
  const head = useRef<HTMLDivElement>(null);
  const [[top, room], setView] = useState([0, 600]);
  const measure = (): void => { if (box.current) setView([box.current.scrollTop, box.current.clientHeight]); };
  useLayoutEffect(() => {
    measure();
    const watch = new ResizeObserver(measure);
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, []);
  useLayoutEffect(() => {
    const scroller = box.current!;
    if (chosen < 0) return;
    const above = head.current?.offsetHeight ?? 0, sight = scroller.clientHeight - above, place = chosen * props.height - scroller.scrollTop;
    if (place < -sight || place > 2 * sight) scroller.scrollTop += place - sight / 2;
    else if (place < props.height) scroller.scrollTop += place - props.height;
    else if (place > sight - 2 * props.height) scroller.scrollTop += place - sight + 2 * props.height;
    measure();
  }, [chosen, props.length]);
  const first = Math.max(0, Math.min(Math.floor(top / props.height), props.length - 1) - OVERSCAN);
  const last = Math.min(props.length, Math.ceil((top + room) / props.height) + OVERSCAN);
  useEffect(() => props.sight?.(first, last));

  const press = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(room / props.height) - 2);
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -props.length, End: props.length };
    const step = steps[event.key];
    if (step !== undefined && props.choose && props.length) {
      event.preventDefault();
      const from = chosen >= 0 ? chosen : event.key === "End" || step === -1 ? props.length : -1;
      props.choose(Math.max(0, Math.min(props.length - 1, from + step)));
    } else if (props.keys?.(event)) event.preventDefault();
  };
  const listbox = role === "listbox", slug = props.label.replace(/\W+/g, "-");
  const rows = [];
  for (let index = first; index < last; index += 1) {
    rows.push(
      <div key={index} class="row" style={{ top: px(index * props.height), height: px(props.height) }}
        {...(listbox ? {
          role: "option", id: `${slug}-${index}`, "aria-selected": index === chosen, "aria-setsize": props.length,
          "aria-posinset": index + 1, onClick: () => props.choose?.(index),
        } : { role: "presentation" })}>{props.row(index)}</div>,
    );
  }
  const inside = { class: "inside", style: { height: px(props.length * props.height), width: px(props.width) } };
  return (
    <div class={`rows ${props.class}`} ref={box} onScroll={measure} tabIndex={listbox ? -1 : 0}
      {...(listbox ? {} : { role: "group", "aria-label": props.label })}>
      {props.header && <div class="head" ref={head} style={{ width: px(props.width) }}>{props.header}</div>}
      {listbox
        ? <div {...inside} role="listbox" aria-label={props.label} tabIndex={0} onKeyDown={press}
            aria-activedescendant={chosen >= first && chosen < last ? `${slug}-${chosen}` : undefined}>{rows}</div>
        : <div {...inside} role="list">{rows}</div>}
    </div>
  );
}
