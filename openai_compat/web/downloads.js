// The models that can be downloaded, with the progress of those that are.
// @ts-check
import { command } from "./api.js";
import { percent, size } from "./format.js";
import { DownloadDialog } from "./model_files.js";
import { taskLabel } from "./tasks.js";
import { html, useState } from "./vendor/vendor.js";

/** @param {{models: any[], downloads: any[]}} props `downloads` as in the envelopes of this kind */
export function Downloads({ models, downloads }) {
  const [asked, setAsked] = useState("");
  const isRunning = downloads.some(({ state }) => state === "running");
  if (!models.length) return null;
  return html`<details open=${isRunning}><summary>${models.length} available to download</summary>
    <ul class="downloads">${models.map((model) => html`<${Row} key=${model.name} model=${model} onAsk=${() => setAsked(model.name)}
      download=${downloads.find((one) => one.model === model.name)} />`)}</ul></details>
    ${asked && html`<${DownloadDialog} name=${asked} onClose=${() => setAsked("")} />`}`;
}

function Row({ model, download, onAsk }) {
  return html`<li><span><span class="name">${model.name}</span> <small><b>${taskLabel(model.task)}</b> · ${model.description}</small>
      ${download?.state === "failed" && html`<small class="error" role="alert"> ${download.error}</small>`}</span>
    <span class="muted">${size(model.weights_bytes)}</span>
    ${download?.state === "running" ? html`<${Progress} download=${download} />`
      : html`<button type="button" aria-label="Download ${model.name}" onClick=${onAsk}>Download</button>`}</li>`;
}

function Progress({ download: { model, done_bytes: done, total_bytes: total } }) {
  const part = total ? done / total : 0;
  return html`<button type="button" aria-label="Cancel download of ${model}" onClick=${() => command(`api/models/${model}/download/cancel`).catch(() => {})}>Cancel</button>
    <div class="progress" role="progressbar" aria-label="Download of ${model}" aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(100 * part)}>
      <i style=${{ width: `${100 * part}%` }}></i></div><small>${total ? `${size(done)} of ${size(total)}, ${percent(part)}` : size(done)}</small>`;
}
