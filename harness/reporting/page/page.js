"use strict";
const run = JSON.parse(document.getElementById("data").textContent);
const ROW = 24, LEFT = 150, ASIDE = 320, OVERSCAN = 10;
const KINDS = ["message", "state", "fault", "console", "note"];
const $ = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

async function unpack(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const rows = await new Response(stream).json();
  return rows.map(([at, kind, source, target, name, correlation, data], n) =>
    ({ at, n, kind, source, target, name, correlation, data }));
}

const tone = (test) => (test.outcome === "failed" && test.blame && test.blame !== "product" ? test.blame : test.outcome.replace(" ", "-"));
const short = (name) => name.replace(/^.*?([^/]+)$/, "$1").replaceAll("_", " ").replace("::", " - ");

// --- the list of tests -------------------------------------------------------------------------------------------

const outcomes = [...new Set(run.tests.map((test) => test.outcome))];
const shown = new Set(outcomes);

function listTests() {
  const wanted = $("find").value.toLowerCase();
  $("tests").replaceChildren(...run.tests
    .map((test, index) => ({ test, index }))
    .filter(({ test }) => shown.has(test.outcome) && test.name.toLowerCase().includes(wanted))
    .map(({ test, index }) => make("li", {}, make("button", {
      "data-index": index, title: test.name, "aria-current": String(index === current),
      onclick: () => { location.hash = `test-${index}`; },
    }, make("span", { class: tone(test) }, `${test.outcome} `), short(test.name)))));
}

function totals() {
  $("run").textContent = run.run;
  $("totals").replaceChildren(...outcomes.map((outcome) => {
    const tests = run.tests.filter((test) => test.outcome === outcome);
    return make("strong", { class: tone(tests[0]) }, `${tests.length} ${outcome}  `);
  }), make("span", { class: "dim" }, `${run.tests.reduce((sum, test) => sum + test.duration, 0).toFixed(1)} s in tests`));
  $("outcomes").replaceChildren(...outcomes.map((outcome) => make("button", {
    "aria-pressed": "true",
    onclick: (event) => {
      if (!shown.delete(outcome)) shown.add(outcome);
      event.target.setAttribute("aria-pressed", String(shown.has(outcome)));
      listTests();
    },
  }, outcome)));
}

// --- one test ----------------------------------------------------------------------------------------------------

let current = -1;

async function open(index) {
  current = index;
  const test = run.tests[index];
  listTests();
  const events = await unpack(test.events);
  if (current !== index) return;
  const facts = Object.entries(test.details).filter(([, value]) => value !== null && typeof value !== "object");
  $("main").replaceChildren(
    make("h2", {}, test.name),
    make("div", { class: `verdict ${tone(test)}` },
      make("strong", {}, test.outcome), test.blame ? ` - to blame: ${test.blame}` : "",
      make("span", { class: "dim" }, `  ${test.duration.toFixed(2)} s, ${events.length} events`),
      test.message ? make("pre", {}, test.message) : null),
    ...test.trouble.map((text) => make("p", { class: "rig" }, text)),
    make("div", { class: "dim" },
      ...facts.map(([name, value]) => `${name}: ${value}   `),
      test.rerun ? make("code", {}, test.rerun) : ""),
    ...Object.entries(test.pictures).map(([name, svg]) => make("details", { class: "pictures", open: test.outcome === "failed" ? "" : null },
      make("summary", {}, `Sequence ${name}`), make("img", { alt: `Sequence ${name}`, src: `data:image/svg+xml;utf8,${encodeURIComponent(svg)}` }))),
    timeline(events));
}

function timeline(all) {
  const start = all.length ? all[0].at : 0;
  const order = ["User", "Harness", "Device", "Gateway", "Kubernetes"];
  const lanes = [...new Set(all.flatMap((event) => [event.source, event.target]).filter(Boolean))]
    .sort((a, b) => (order.indexOf(a) + 1 || 99) - (order.indexOf(b) + 1 || 99) || a.localeCompare(b));
  const room = ($("main").clientWidth - ASIDE - LEFT - 40) / Math.max(lanes.length - 0.4, 1);
  const LANE = Math.min(220, Math.max(128, room));
  const x = new Map(lanes.map((lane, index) => [lane, LEFT + index * LANE]));
  const width = LEFT + (lanes.length - 0.4) * LANE;
  const kinds = new Set(KINDS);
  let events = all, selected = null;

  const detail = make("aside", { "aria-label": "Event" }, make("p", { class: "dim" }, "Choose an event to see what it held. Arrow keys move."));
  const rows = make("div", { class: "rows", role: "listbox", tabindex: "0", "aria-label": "Events" });
  const scroller = make("div", { class: "scroller" },
    make("div", { class: "lanes", style: `width:${width}px` }, ...lanes.map((lane) => make("span", { style: `left:${x.get(lane)}px` }, lane))), rows);

  function draw() {
    const first = Math.max(0, Math.floor(scroller.scrollTop / ROW) - OVERSCAN);
    const last = Math.min(events.length, first + Math.ceil((scroller.clientHeight || 800) / ROW) + 2 * OVERSCAN);
    rows.style.height = `${events.length * ROW}px`;
    rows.style.width = `${width}px`;
    const visible = [];
    for (let index = first; index < last; index += 1) visible.push(row(events[index], index));
    rows.replaceChildren(...visible);
  }

  function row(event, index) {
    const node = make("div", {
      class: `row is-${event.kind}`, role: "option", style: `top:${index * ROW}px`, "aria-selected": String(event === selected),
      onclick: () => choose(index),
    }, make("time", {}, `${(event.at - start).toFixed(3)}`));
    const from = x.get(event.source), to = x.get(event.target);
    if (event.kind === "message" && from !== undefined && to !== undefined && from !== to) {
      const tip = to > from ? -6 : 6;
      node.insertAdjacentHTML("beforeend", `<svg class="message" width="${width}" aria-hidden="true"><path d="M${from} 18H${to}m${tip} -4l${-tip} 4l${tip} 4" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>`);
      node.append(make("span", { class: "label message", style: `left:${(from + to) / 2}px` }, event.name));
    } else if (event.kind === "console") {
      node.append(make("span", { class: "text console", style: `left:${(from ?? LEFT) - 60}px` }, `${event.correlation}> ${event.data.text ?? event.data.line ?? event.name}`));
    } else {
      const phase = event.data.phase ?? event.data.status?.phase;
      const text = [event.name, event.correlation, phase].filter(Boolean).join("  ");
      node.append(make("span", { class: `pill ${event.kind}`, style: `left:${(from ?? LEFT) - 60}px` }, text));
    }
    return node;
  }

  function choose(index) {
    selected = events[Math.max(0, Math.min(index, events.length - 1))] ?? null;
    if (!selected) return;
    const place = events.indexOf(selected) * ROW;
    if (place < scroller.scrollTop + ROW) scroller.scrollTop = place - ROW;
    if (place > scroller.scrollTop + scroller.clientHeight - 3 * ROW) scroller.scrollTop = place - scroller.clientHeight + 3 * ROW;
    detail.replaceChildren(
      make("h3", { class: selected.kind }, selected.name),
      make("div", {}, [selected.source, selected.target].filter(Boolean).join(" -> ")),
      make("div", { class: "dim" }, `${selected.kind} ${selected.n}, ${(selected.at - start).toFixed(6)} s, ${selected.correlation || "no correlation"}`),
      make("pre", {}, JSON.stringify(selected.data, null, 2)));
    draw();
  }

  function filter() {
    const text = search.value.toLowerCase(), correlation = about.value;
    events = all.filter((event) => kinds.has(event.kind) && (!correlation || event.correlation === correlation || event.data.device === correlation)
      && (!text || `${event.name} ${JSON.stringify(event.data)}`.toLowerCase().includes(text)));
    scroller.scrollTop = 0;
    draw();
  }

  const correlations = [...new Set(all.map((event) => event.correlation).filter(Boolean))].sort();
  const about = make("select", { "aria-label": "About", onchange: filter }, make("option", { value: "" }, "every device and application"), ...correlations.map((name) => make("option", {}, name)));
  const search = make("input", { type: "search", placeholder: "Find in events", "aria-label": "Find in events", oninput: filter });
  const toggles = make("div", { class: "filters", role: "group", "aria-label": "Show kinds" }, ...KINDS.map((kind) => make("button", {
    "aria-pressed": "true",
    onclick: (event) => { if (!kinds.delete(kind)) kinds.add(kind); event.target.setAttribute("aria-pressed", String(kinds.has(kind))); filter(); },
  }, kind)));

  rows.addEventListener("keydown", (event) => {
    const at = selected ? events.indexOf(selected) : -1;
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20 }[event.key];
    if (step) { event.preventDefault(); choose(at + step); }
  });
  scroller.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  new ResizeObserver(draw).observe(scroller);
  const whole = document.createDocumentFragment();
  whole.append(make("div", { class: "controls" }, toggles, about, search), make("div", { class: "timeline" }, scroller, detail));
  return whole;
}

function route() {
  const wanted = Number(location.hash.replace("#test-", ""));
  const worst = run.tests.findIndex((test) => test.outcome === "failed");
  open(location.hash.startsWith("#test-") && run.tests[wanted] ? wanted : Math.max(worst, 0));
}

totals();
$("find").addEventListener("input", listTests);
window.addEventListener("hashchange", route);
route();
