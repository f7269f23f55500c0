// The table of models: state, memory, requests, and the Load, Unload and Pin buttons.
// @ts-check
import { command } from "./api.js";
import { clock, percent, size } from "./format.js";
import { taskLabel } from "./tasks.js";
import { html, useState } from "./vendor/vendor.js";

const IN_MEMORY_STATES = new Set(["starting", "ready", "draining", "stopping"]);
const STATE_LABELS = {
  absent: "unloaded",
  starting: "loading",
  ready: "ready",
  draining: "finishing",
  stopping: "unloading",
  backoff: "failed",
  broken: "broken",
};

export function Models({ models, colors }) {
  const downloaded = models.filter((model) => model.present);
  // a local model with an error has a row that shows the error
  const listed = models.filter((model) => model.present || model.error);
  const notDownloaded = models.filter((model) => !listed.includes(model));
  return html`<section class="card" aria-labelledby="models-title">
    <header><h2 id="models-title">Models</h2><p class="muted">${downloaded.length} downloaded</p></header>
    <table class="models">
      <thead><tr><th scope="col">Model</th><th scope="col">State</th><th scope="col">Memory</th>
        <th scope="col">Requests</th><th scope="col"><span class="hidden">Actions</span></th></tr></thead>
      <tbody>${listed.map((model) => html`<${Row} key=${model.name} model=${model} color=${colors[model.name]} />`)}</tbody>
    </table>
    ${notDownloaded.length > 0 && html`<details><summary>${notDownloaded.length} available to download</summary>
      <ul class="downloads">${notDownloaded.map((model) => html`<${Download} key=${model.name} model=${model} />`)}</ul></details>`}
  </section>`;
}

function Row({ model, color }) {
  const [commandError, setCommandError] = useState("");
  const inMemory = IN_MEMORY_STATES.has(model.state);
  const send = (action) => command(`api/models/${model.name}/${action}`).then(
    () => setCommandError(""),
    (error) => setCommandError(error.message),
  );
  const button = (action, label, disabled = false) => html`<button type="button" disabled=${disabled}
    aria-label="${label} ${model.name}" onClick=${() => send(action)}>${label}</button>`;
  const error = commandError || model.error;
  return html`<tr data-model=${model.name}>
    <th scope="row"><div class="model-title"><i class="dot" style=${{ background: color }}></i>
      <div><span class="name">${model.name}</span>${model.default && html`<span class="tag">default</span>`}
        ${model.starter && html`<span class="tag starter">starter</span>`}
        ${model.pinned && html`<span class="tag pinned">pinned</span>`}
        <small><b>${taskLabel(model.task)}</b> · ${model.description}${model.present && ` · ${size(model.weights_bytes)} on disk`}</small>
        ${model.voices.length > 0 && html`<${Voices} voices=${model.voices} />`}
        ${error && html`<small class="error" role="alert">${error}</small>`}</div></div></th>
    <td data-label="State"><${State} model=${model} /></td>
    <td data-label="Memory">${inMemory ? size(model.footprint_bytes || model.charged_bytes) : html`<span class="muted">–</span>`}</td>
    <td data-label="Requests">${requestCounts(model)}</td>
    <td class="actions">${inMemory
      ? html`${button("stop", "Unload", model.state !== "ready" && model.state !== "starting")}
          ${button(model.pinned ? "unpin" : "pin", model.pinned ? "Unpin" : "Pin")}`
      : button("start", model.state === "backoff" ? "Retry" : "Load")}</td>
  </tr>`;
}

function State({ model }) {
  const loading = model.state === "starting" && model.load_fraction !== null;
  const broken = model.state === "absent" && !model.present;
  const state = broken ? "broken" : model.state;
  return html`<span class="pill" data-state=${state}>${STATE_LABELS[state]}${loading && ` ${percent(model.load_fraction)}`}</span>
    ${loading && html`<div class="progress" role="progressbar" aria-label="Loading ${model.name}" aria-valuemin="0" aria-valuemax="100"
      aria-valuenow=${Math.round(100 * model.load_fraction)}><i style=${{ width: `${100 * model.load_fraction}%` }}></i></div>`}
    <small>${nextStep(model)}</small>`;
}

/** Return what happens to the model next if no request arrives. */
function nextStep(model) {
  if (model.state === "backoff" && model.retry_in_seconds !== null) return `retry in ${clock(model.retry_in_seconds)}`;
  if (model.state === "starting") return model.stage;
  if (model.state !== "ready") return "";
  if (model.active) return "in use";
  if (model.pinned) return ""; // the tag "pinned" says it
  return model.unloads_in_seconds === null ? "no idle timeout" : `unloads in ${clock(model.unloads_in_seconds)}`;
}

function requestCounts(model) {
  const now = [model.active && `${model.active} running`, model.queued && `${model.queued} queued`].filter(Boolean);
  return html`${model.requests}${now.length > 0 && html` <small>${now.join(", ")}</small>`}`;
}

function Voices({ voices }) {
  const first = voices.slice(0, 4).join(", ");
  if (voices.length <= 4) return html`<small>Voices: ${first}</small>`;
  return html`<details class="voices"><summary>Voices: ${first} and ${voices.length - 4} more</summary><small>${voices.join(", ")}</small></details>`;
}

function Download({ model }) {
  return html`<li><span><span class="name">${model.name}</span> <small><b>${taskLabel(model.task)}</b> · ${model.description}</small></span>
    <code>senses pull ${model.name}</code><span class="muted">${size(model.weights_bytes)}</span></li>`;
}
