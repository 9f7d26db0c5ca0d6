// What the judges drew: each sequence as expected, beside what was seen.

import { useState } from "preact/hooks";
import { Empty } from "./parts";

export function Pictures({ pictures }: { pictures: Record<string, string> }) {
  const names = Object.keys(pictures);
  if (!names.length) return <Empty>This test was not judged by a sequence: <code>stack.history.follows("device-enrollment")</code> does that and leaves a picture, as <code>History Should Follow</code> does in Robot.</Empty>;
  return <>{names.map((name) => <Picture key={name} name={name} svg={pictures[name]!} />)}</>;
}

/** As an image: nothing in it can run, and its styles stay its own. */
function Picture({ name, svg }: { name: string; svg: string }) {
  const [fit, setFit] = useState(false);
  const title = /<title>([^<]*)<\/title>/.exec(svg)?.[1] ?? name;
  return (
    <figure class="picture">
      <figcaption>
        <span class="own">{name}</span>{" "}
        <button type="button" class="plain" aria-pressed={fit} onClick={() => setFit(!fit)}>{fit ? "its own size" : "fit the window"}</button>
      </figcaption>
      <div class="wide" role="region" aria-label={`Picture of ${name}`} tabIndex={0}>
        <img class={fit ? "fit" : ""} alt={title} src={`data:image/svg+xml;utf8,${encodeURIComponent(svg)}`} />
      </div>
    </figure>
  );
}
