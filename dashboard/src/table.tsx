// A table of thousands of rows: only those in sight are in the page. On a phone, columns of less weight are left out.

import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useMemo, useRef, useState, type CSSProperties, type ReactNode } from "react";

export interface Column<T> {
  key: string;
  title: string;
  cell: (row: T) => ReactNode;
  /** The key of its order; a column without it is not sorted. */
  by?: (row: T) => string | number;
  width: string;
  /** The least width of a window, in classes, that shows the column. */
  from?: "medium" | "wide";
}

const ROW = 44;

interface Props<T> {
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  rowKey: (row: T) => string;
  sortedBy: string;
  empty: ReactNode;
}

export function Table<T>({ label, columns, rows, rowKey, sortedBy, empty }: Props<T>) {
  const [order, setOrder] = useState({ key: sortedBy, down: false });
  const scroller = useRef<HTMLDivElement>(null);
  const sorted = useMemo(() => {
    const by = columns.find((each) => each.key === order.key)?.by;
    if (!by) return rows;
    const compared = new Intl.Collator(undefined, { numeric: true }).compare;
    const keyed = rows.map((row) => ({ row, value: by(row) }));
    keyed.sort(({ value: a }, { value: b }) => (typeof a === "number" && typeof b === "number" ? a - b : compared(String(a), String(b))));
    return (order.down ? keyed.reverse() : keyed).map(({ row }) => row);
    // The columns are made anew with each rendering of the page, and the order of a key stays the same.
  }, [rows, order]);
  const virtual = useVirtualizer({
    count: sorted.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 6,
    getItemKey: (index) => rowKey(sorted[index] as T),
  });
  const style = {
    "--columns": columns.map((each) => each.width).join(" "),
    "--columns-medium": columns.filter((each) => each.from !== "wide").map((each) => each.width).join(" "),
    // The first column, a name, takes what the others leave.
    "--columns-narrow": columns.filter((each) => !each.from).map((each, index) => (index ? each.width : "minmax(0, 1fr)")).join(" "),
  } as CSSProperties;
  return (
    <div className="table" role="table" aria-label={label} aria-rowcount={sorted.length + 1} style={style}>
      <div role="rowgroup">
        <div className="row head" role="row" aria-rowindex={1}>
          {columns.map((each) => (
            <div key={each.key} role="columnheader" data-from={each.from} aria-sort={order.key === each.key ? (order.down ? "descending" : "ascending") : undefined}>
              {each.by ? (
                <button type="button" onClick={() => setOrder({ key: each.key, down: order.key === each.key && !order.down })}>
                  {each.title}
                </button>
              ) : (
                each.title
              )}
            </div>
          ))}
        </div>
      </div>
      {sorted.length === 0 ? (
        <div role="rowgroup">
          <div role="row">
            <div role="cell">{empty}</div>
          </div>
        </div>
      ) : (
        <div className="scroller" ref={scroller} role="rowgroup" tabIndex={0} style={{ height: virtual.getTotalSize() + 1 }}>
          <div role="presentation" style={{ height: virtual.getTotalSize(), position: "relative" }}>
            {virtual.getVirtualItems().map((item) => {
              const row = sorted[item.index] as T;
              return <Row key={item.key} row={row} columns={columns as readonly Column<unknown>[]} index={item.index} start={item.start} />;
            })}
          </div>
        </div>
      )}
    </div>
  );
}

/** A row is made anew for new data, and not while the table is scrolled. */
const Row = memo(({ row, columns, index, start }: { row: unknown; columns: readonly Column<unknown>[]; index: number; start: number }) => (
  <div className="row" role="row" aria-rowindex={index + 2} style={{ transform: `translateY(${start}px)` }}>
    {columns.map((each) => (
      <div key={each.key} role="cell" data-from={each.from}>
        {each.cell(row)}
      </div>
    ))}
  </div>
));
