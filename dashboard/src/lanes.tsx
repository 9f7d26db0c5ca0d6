// A device's past as lanes: its status, its gateway and each application, over time.

import { useEffect, useState } from "react";
import { clock } from "./format";
import type { Past } from "./history";
import { usePreferences, useTexts } from "./preferences";
import { toneOf } from "./tone";

const REDRAWN = 1_000;

export function Lanes({ past, from }: { past: Past; from: number }) {
  const t = useTexts();
  const { language } = usePreferences();
  const now = useNow();
  const span = Math.max(now - from, 1);
  return (
    <div className="lanes">
      {[...past.lanes].filter(([, marks]) => marks.some((each) => each.value)).map(([lane, marks]) => {
        const title = lane === "status" ? t.status : lane === "gateway" ? t.gateway : lane.slice(4);
        return (
          <div className="lane" key={lane}>
            <span className="lane-title">{title}</span>
            <ol aria-label={title}>
              {marks.map((mark, index) => {
                const end = marks[index + 1]?.at ?? now;
                const text = `${mark.value || "–"}, ${clock(mark.at, language)}`;
                return (
                  <li key={mark.at + mark.value} title={text} data-tone={mark.value ? (lane === "gateway" ? "busy" : toneOf(mark.value)) : undefined}
                    style={{ left: `${((mark.at - from) / span) * 100}%`, width: `${((end - mark.at) / span) * 100}%` }}>
                    <span>{mark.value}</span>
                  </li>
                );
              })}
            </ol>
          </div>
        );
      })}
    </div>
  );
}

function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), REDRAWN);
    return () => clearInterval(timer);
  }, []);
  return now;
}
