// The card of graphs: the last hour or day, of one model or all together, with loads and evictions marked.
// @ts-check
import { Chart, MARK_COLORS } from "./chart.js";
import { duration } from "./format.js";
import { marks, points, rates, withNow } from "./series.js";
import { html, useEffect, useMemo, useState } from "./vendor/vendor.js";

const RANGES = { hour: "Last hour", day: "Last day" };

export function Charts({ history, status }) {
  const [range, setRange] = useState("hour");
  const [model, setModel] = useState("");
  useEffect(() => { if (range === "day") history.wantDay(); }, [range]);
  const shown = history[range];
  return html`<section class="card" aria-labelledby="graphs-title"><header><h2 id="graphs-title">Graphs</h2>
      <div class="filters"><fieldset><legend class="hidden">Time</legend>${Object.entries(RANGES).map(([name, label]) => html`<label key=${name}>
        <input type="radio" name="range" checked=${range === name} onChange=${() => setRange(name)} />${label}</label>`)}</fieldset>
      <select aria-label="Model of the graphs" value=${model} onChange=${(event) => setModel(event.target.value)}>
        <option value="">All models</option>${status.models.map(({ name }) => html`<option key=${name}>${name}</option>`)}</select></div></header>
    <${Graphs} key=${range} history=${shown ?? EMPTY[range]} status=${status} model=${model} /></section>`;
}

const empty = (range, width) => ({ range, bucket_seconds: width, now: Date.now() / 1000, buckets: [], changes: [] });
const EMPTY = { hour: empty("hour", 20), day: empty("day", 600) };

function Graphs({ history, status, model }) {
  const { past, perMinute, marked } = useMemo(() => {
    const past = points(history, model);
    return { past, perMinute: rates(past, history.bucket_seconds), marked: marks(history, model) };
  }, [history, model]);
  const all = withNow(past, status, model);
  const last = all.length - 1;
  const timed = all.findLastIndex(({ p50 }) => p50 !== null);
  const of = (name) => all.map((point) => point[name]);
  const common = { xs: of("at"), marks: marked, at: last };
  return html`<div class="charts">
      <${Chart} ...${common} title="Memory" text=${(index) => `${all[index].memory.toFixed(1)} GB`} unit=" GB" series=${[of("memory")]} color="--violet" minimumMax=${1} />
      <${Chart} ...${common} title="Requests per minute" text=${(index) => String(Number(perMinute[index].toFixed(1)))} unit="" series=${[perMinute]} color="--teal" minimumMax=${4} />
      <${Chart} ...${common} title="Time, p50 and p95" at=${timed} text=${(index) => times(all[index])} unit=" s"
        series=${[of("p95"), of("p50")]} color="--blue" minimumMax=${1} hasGaps=${true} />
      ${!model && html`<${Chart} ...${common} title="Running and queued" text=${(index) => `${all[index].running} + ${all[index].queued}`} unit=""
        series=${[all.map((point) => point.running + point.queued), of("running")]} color="--amber" minimumMax=${4} />`}
    </div><${Legend} marks=${marked} />`;
}

const times = (point) => (point && point.p50 !== null ? `${duration(point.p50)}, ${duration(point.p95)}` : "–");

/** What the vertical lines mean, and how many there are. */
function Legend({ marks: marked }) {
  return html`<ul class="legend marks">${Object.entries(MARK_COLORS).map(([kind, color]) => html`<li key=${kind}>
    <i style=${{ background: `var(${color})` }}></i>${kind} <b>${marked.filter((mark) => mark.kind === kind).length}</b></li>`)}</ul>`;
}
