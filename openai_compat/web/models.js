// The table of models: state, memory, countdown, work, and the buttons of an operator.
// @ts-check
import { command } from "./api.js";
import { clock, percent, size } from "./format.js";
import { verb } from "./tasks.js";
import { html, useState } from "./vendor/vendor.js";

const HELD = new Set(["starting", "ready", "draining", "stopping"]);
const STATES = {
  absent: "asleep",
  starting: "loading",
  ready: "ready",
  draining: "finishing",
  stopping: "leaving",
  backoff: "failed",
  broken: "broken",
};

export function Models({ models, colours }) {
  const here = models.filter((model) => model.present);
  const listed = models.filter((model) => model.present || model.error);
  const elsewhere = models.filter((model) => !listed.includes(model));
  return html`<section class="card" aria-labelledby="models-title">
    <header><h2 id="models-title">Models</h2><p class="quiet">${here.length} on this disk</p></header>
    <table class="models">
      <thead><tr><th scope="col">Model</th><th scope="col">State</th><th scope="col">Memory</th>
        <th scope="col">Requests</th><th scope="col"><span class="hidden">Actions</span></th></tr></thead>
      <tbody>${listed.map((model) => html`<${Row} key=${model.name} model=${model} colour=${colours[model.name]} />`)}</tbody>
    </table>
    ${elsewhere.length > 0 && html`<details><summary>${elsewhere.length} more to download</summary>
      <ul class="downloads">${elsewhere.map((model) => html`<${Download} key=${model.name} model=${model} />`)}</ul></details>`}
  </section>`;
}

function Row({ model, colour }) {
  const [refusal, setRefusal] = useState("");
  const held = HELD.has(model.state);
  const act = (action) => command(`api/models/${model.name}/${action}`).then(
    () => setRefusal(""),
    (error) => setRefusal(error.message),
  );
  const button = (action, label, disabled = false) => html`<button type="button" disabled=${disabled}
    aria-label="${label} ${model.name}" onClick=${() => act(action)}>${label}</button>`;
  const trouble = refusal || model.error;
  return html`<tr data-model=${model.name}>
    <th scope="row"><div class="who"><i class="dot" style=${{ background: colour }}></i>
      <div><span class="name">${model.name}</span>${model.default && html`<span class="tag">default</span>`}
        ${model.starter && html`<span class="tag starter">starter</span>`}
        ${model.pinned && html`<span class="tag pinned">pinned</span>`}
        <small><b>${verb(model.task)}</b> · ${model.description}${model.present && ` · ${size(model.weights_bytes)} on disk`}</small>
        ${model.voices.length > 0 && html`<${Voices} voices=${model.voices} />`}
        ${trouble && html`<small class="trouble" role="alert">${trouble}</small>`}</div></div></th>
    <td data-label="State"><${State} model=${model} /></td>
    <td data-label="Memory">${held ? size(model.footprint_bytes || model.charged_bytes) : html`<span class="quiet">–</span>`}</td>
    <td data-label="Requests">${work(model)}</td>
    <td class="actions">${held
      ? html`${button("stop", "Stop", model.state !== "ready" && model.state !== "starting")}
          ${button(model.pinned ? "unpin" : "pin", model.pinned ? "Unpin" : "Pin")}`
      : button("start", model.state === "backoff" ? "Retry" : "Start")}</td>
  </tr>`;
}

function State({ model }) {
  const loading = model.state === "starting" && model.load_fraction !== null;
  const broken = model.state === "absent" && !model.present;
  const state = broken ? "broken" : model.state;
  return html`<span class="pill" data-state=${state}>${STATES[state]}${loading && ` ${percent(model.load_fraction)}`}</span>
    ${loading && html`<div class="progress" role="progressbar" aria-label="Loading ${model.name}" aria-valuemin="0" aria-valuemax="100"
      aria-valuenow=${Math.round(100 * model.load_fraction)}><i style=${{ width: `${100 * model.load_fraction}%` }}></i></div>`}
    <small>${outlook(model)}</small>`;
}

/** What happens to the model next, if nobody calls it. */
function outlook(model) {
  if (model.state === "backoff" && model.retry_in_seconds !== null) return `retry in ${clock(model.retry_in_seconds)}`;
  if (model.state === "starting") return model.stage;
  if (model.state !== "ready") return "";
  if (model.active) return "in use";
  if (model.pinned) return "stays";
  return model.unloads_in_seconds === null ? "no timer" : `leaves in ${clock(model.unloads_in_seconds)}`;
}

function work(model) {
  const now = [model.active && `${model.active} running`, model.queued && `${model.queued} waiting`].filter(Boolean);
  return html`${model.requests}${now.length > 0 && html` <small>${now.join(", ")}</small>`}`;
}

function Voices({ voices }) {
  const shown = voices.slice(0, 4).join(", ");
  if (voices.length <= 4) return html`<small>Voices: ${shown}</small>`;
  return html`<details class="voices"><summary>Voices: ${shown} and ${voices.length - 4} more</summary><small>${voices.join(", ")}</small></details>`;
}

function Download({ model }) {
  return html`<li><span><span class="name">${model.name}</span> <small><b>${verb(model.task)}</b> · ${model.description}</small></span>
    <code>senses pull ${model.name}</code><span class="quiet">${size(model.weights_bytes)}</span></li>`;
}
