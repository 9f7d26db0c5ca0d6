// The pictures of verdicts: each sequence as expected, beside the events that occurred.

import { useState } from "preact/hooks";
import { Empty } from "./parts";

export function Pictures({ pictures }: { pictures: Record<string, string> }) {
  const names = Object.keys(pictures);
  if (!names.length) return <Empty>No sequence judged this test. <code>stack.history.follows("device-enrollment")</code> in pytest, or <code>History Should Follow</code> in Robot, judges it and leaves a picture here.</Empty>;
  return <>{names.map((name) => <Picture key={name} name={name} svg={pictures[name]!} />)}</>;
}

/** An image, so that scripts in it cannot run and its styles stay inside. */
function Picture({ name, svg }: { name: string; svg: string }) {
  const [fit, setFit] = useState(true);
  const title = /<title>([^<]*)<\/title>/.exec(svg)?.[1] ?? name;
  return (
    <figure class="picture">
      <figcaption>
        <span class="own">{name}</span>{" "}
        <button type="button" class="plain" aria-pressed={fit} onClick={() => setFit(!fit)}>{fit ? "Actual size" : "Fit to window"}</button>
      </figcaption>
      <div class="wide" role="region" aria-label={`Picture of ${name}`} tabIndex={0}>
        <img class={fit ? "fit" : ""} alt={title} src={`data:image/svg+xml;utf8,${encodeURIComponent(svg)}`} />
      </div>
    </figure>
  );
}
