import { render } from "preact";
import { App } from "./app";
import { FORMAT, type Run, embedded } from "./data";
import "./style.css";

const place = document.getElementById("app")!;
const run = embedded<Run>("run");
place.replaceChildren();
if (run?.format === FORMAT) render(<App run={run} />, place);
else render(<p class="lonely">This page cannot show its run: the file is incomplete, or its data is of another version.</p>, place);
