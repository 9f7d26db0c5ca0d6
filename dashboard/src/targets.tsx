// Which devices an application is for: all, by name, or by labels.

import { useState } from "react";
import { useObjects } from "./live";
import { Field, Status } from "./parts";
import { useTexts } from "./preferences";

export type Targets = { allDevices: true } | { deviceNames: string[] } | { matchLabels: Record<string, string> };

const SHOWN = 50;

/** Null stands for a choice that is not complete. */
export function TargetsField({ targets, change }: { targets: Targets | null; change: (targets: Targets | null) => void }) {
  const t = useTexts();
  const [way, setWay] = useState<"all" | "names" | "labels">("all");
  const [words, setWords] = useState("");
  const devices = useObjects("device");
  const chosen = new Set(targets && "deviceNames" in targets ? targets.deviceNames : []);
  const fitting = [...(devices?.values() ?? [])].filter((each) => each.name.includes(words.trim().toLowerCase()));
  const toggle = (name: string) => {
    if (!chosen.delete(name)) chosen.add(name);
    change(chosen.size ? { deviceNames: [...chosen] } : null);
  };
  return (
    <fieldset className="targets">
      <legend>{t.targets}</legend>
      {(["all", "names", "labels"] as const).map((each) => (
        <label className="check" key={each}>
          <input type="radio" name="targets" checked={way === each} onChange={() => (setWay(each), change(each === "all" ? { allDevices: true } : null))} />
          {t.targetWays[each]}
        </label>
      ))}
      {way === "names" && (
        <>
          <input type="search" aria-label={t.search} placeholder={t.search} value={words} onChange={(event) => setWords(event.target.value)} />
          <div className="options" role="group" aria-label={t.places.devices}>
            {fitting.slice(0, SHOWN).map((each) => (
              <label className="check" key={each.id}>
                <input type="checkbox" checked={chosen.has(each.id)} onChange={() => toggle(each.id)} />
                {each.name} <Status phase={each.status} />
              </label>
            ))}
            {fitting.length > SHOWN && <p className="quiet">{t.andMore(fitting.length - SHOWN)}</p>}
            {fitting.length === 0 && <p className="quiet">{t.noneFits}</p>}
          </div>
          <p className="quiet" role="status">{t.chosen(chosen.size)}</p>
        </>
      )}
      {way === "labels" && (
        <Field label={t.labels} help={t.labelsHelp}>
          {(id, help) => <input id={id} aria-describedby={help} placeholder="site=roof, type=pump" onChange={(event) => change(labelsOf(event.target.value))} />}
        </Field>
      )}
    </fieldset>
  );
}

function labelsOf(text: string): Targets | null {
  const parts = text.split(",").map((each) => each.trim()).filter(Boolean);
  const pairs = parts.map((each) => each.split("=").map((part) => part.trim()));
  if (!pairs.length || pairs.some((pair) => pair.length !== 2 || !pair[0])) return null;
  return { matchLabels: Object.fromEntries(pairs as [string, string][]) };
}
