// The page: shows the view that the address names, and the keys that lead from view to view.

import { useEffect, useState } from "preact/hooks";
import { address, read } from "./address";
import type { Run } from "./data";
import { Overview } from "./overview";
import { TestPage } from "./test";

export function App({ run }: { run: Run }) {
  const [place, setPlace] = useState(() => read(run.tests.length));
  useEffect(() => {
    const follow = (): void => setPlace(read(run.tests.length));
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
      if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
      const step = event.key === "]" ? 1 : event.key === "[" ? -1 : 0;
      if (event.key === "/") {
        event.preventDefault();
        document.querySelector<HTMLInputElement>("input[type=search]")?.focus();
      } else if (event.key === "o") location.hash = "#run";
      else if (step && place.test !== null) {
        const next = place.test + step;
        if (next >= 0 && next < run.tests.length) location.hash = address(next, place.tab);
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [place]);
  return place.test === null
    ? <Overview run={run} />
    : <TestPage key={place.test} run={run} index={place.test} place={place} />;
}
