// One row of the table of models: state, memory, the last hour, and the buttons.
// @ts-check
import { command, post } from "./api.js";
import { clock, duration, percent, size, speed } from "./format.js";
import { DeleteDialog } from "./model_files.js";
import { taskLabel } from "./tasks.js";
import { html, useState } from "./vendor/vendor.js";

const KEEP_SECONDS = 3600;
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

export const isInMemory = (model) => IN_MEMORY_STATES.has(model.state);
export const isBroken = (model) => model.state === "absent" && !model.present;

export function ModelRow({ model, past, color }) {
  const [note, setNote] = useState("");
  const [commandError, setCommandError] = useState("");
  const [isDeleting, setDeleting] = useState(false);
  const send = (action) => {
    setNote(action === "stop" ? unloadNote(model) : "");
    setCommandError("");
    const path = `api/models/${model.name}/${action}`;
    const sent = action === "keep" ? post(path, { seconds: KEEP_SECONDS }) : command(path);
    sent.catch((error) => setCommandError(error.message)).then(() => setNote(""));
  };
  const error = commandError || model.error;
  return html`<tr data-model=${model.name}>
    <th scope="row"><div class="model-title"><i class="dot" style=${{ background: color }}></i>
      <div><span class="name">${model.name}</span>${model.default && html`<span class="tag">default</span>`}
        ${model.starter && html`<span class="tag starter">starter</span>`}
        ${model.pinned && html`<span class="tag pinned">pinned</span>`}
        <small><b>${taskLabel(model.task)}</b> · ${model.description}${model.present && ` · ${size(model.weights_bytes)} on disk`}</small>
        ${model.voices.length > 0 && html`<${Voices} voices=${model.voices} />`}
        ${note && html`<small class="note" role="status">${note}</small>`}
        ${error && html`<small class="error" role="alert">${error}</small>`}</div></div></th>
    <td data-label="State"><${State} model=${model} /></td>
    <td data-label="Memory">${isInMemory(model) ? size(model.footprint_bytes || model.charged_bytes) : html`<span class="muted">–</span>`}</td>
    <td data-label="Last hour"><${Past} past=${past} /></td>
    <td class="actions"><${Actions} model=${model} send=${send} onDelete=${() => setDeleting(true)} />
      ${isDeleting && html`<${DeleteDialog} name=${model.name} onClose=${() => setDeleting(false)} />`}</td>
  </tr>`;
}

/** Return what unloading a busy model does, since it takes a while; "" for an idle one. */
function unloadNote({ name, active, queued }) {
  if (!active && !queued) return "";
  const ends = active ? `${name} is unloaded when its ${active} running ${plural(active, "request ends", "requests end")}.` : "";
  const again = queued ? `The ${queued} waiting ${plural(queued, "request loads", "requests load")} it again; cancel them to keep it unloaded.` : "";
  return `${ends} ${again}`.trim();
}

const plural = (count, one, many) => (count === 1 ? one : many);

function Actions({ model, send, onDelete }) {
  const button = (action, label, disabled = false) => html`<button type="button" disabled=${disabled}
    aria-label="${label} ${model.name}" title=${action === "stop" ? unloadNote(model) : undefined} onClick=${() => send(action)}>${label}</button>`;
  const remove = model.origin === "hub" && html`<button type="button" aria-label="Delete ${model.name}" onClick=${onDelete}>Delete</button>`;
  if (isBroken(model)) return null;
  if (!isInMemory(model)) return html`${button("start", model.state === "backoff" ? "Retry" : "Load")}${remove}`;
  return html`${button("stop", "Unload", model.state !== "ready" && model.state !== "starting")}
    ${button(model.pinned ? "unpin" : "pin", model.pinned ? "Unpin" : "Pin")}
    ${!model.pinned && button("keep", "Keep 1 h", model.state !== "ready")}`;
}

function State({ model }) {
  const isLoading = model.state === "starting" && model.load_fraction !== null;
  const state = isBroken(model) ? "broken" : model.state;
  return html`<span class="pill" data-state=${state}>${STATE_LABELS[state]}${isLoading && ` ${percent(model.load_fraction)}`}</span>
    ${isLoading && html`<div class="progress" role="progressbar" aria-label="Loading ${model.name}" aria-valuemin="0" aria-valuemax="100"
      aria-valuenow=${Math.round(100 * model.load_fraction)}><i style=${{ width: `${100 * model.load_fraction}%` }}></i></div>`}
    <small>${nextStep(model)}</small>`;
}

/** Return what happens to the model now, and next if no request arrives. */
function nextStep(model) {
  const now = [model.active && `${model.active} running`, model.queued && `${model.queued} queued`].filter(Boolean);
  if (now.length) return now.join(", ");
  if (model.state === "backoff" && model.retry_in_seconds !== null) return `retry in ${clock(model.retry_in_seconds)}`;
  if (model.state === "starting") return model.stage;
  if (model.state !== "ready" || model.pinned) return ""; // the tag "pinned" says it
  return model.unloads_in_seconds === null ? "no idle timeout" : `unloads in ${clock(model.unloads_in_seconds)}`;
}

/** The requests of the last hour, with the time that half and 95 % of them took at most, and the speed. */
function Past({ past }) {
  if (!past?.requests) return html`<span class="muted">–</span>`;
  const times = past.seconds_p50 !== null && `p50 ${duration(past.seconds_p50)}, p95 ${duration(past.seconds_p95)}`;
  return html`${past.requests} ${plural(past.requests, "request", "requests")}${past.failed > 0 && html`, <span class="error">${past.failed} failed</span>`}
    ${times && html`<small>${times}</small>`}${past.speed !== null && html`<small>${speed(past)}</small>`}`;
}

function Voices({ voices }) {
  const first = voices.slice(0, 4).join(", ");
  if (voices.length <= 4) return html`<small>Voices: ${first}</small>`;
  return html`<details class="voices"><summary>Voices: ${first} and ${voices.length - 4} more</summary><small>${voices.join(", ")}</small></details>`;
}
