// The memory card: the budget and the memory that each loaded model uses of it.
// @ts-check
import { size } from "./format.js";
import { html } from "./vendor/vendor.js";

export function Memory({ memory, models, colors }) {
  const loadedModels = models.filter((model) => model.charged_bytes);
  // the charge may exceed the budget for a moment
  const full = Math.max(memory.budget_bytes, memory.charged_bytes, 1);
  return html`<section class="card" aria-labelledby="memory-title">
    <header><h2 id="memory-title">Memory</h2>
      <p class="muted">${size(memory.available_bytes)} free on this machine · daemon ${size(memory.daemon_bytes)}</p></header>
    <p class="amount">${loadedModels.length
      ? html`<strong>${size(memory.charged_bytes)}</strong> of ${size(memory.budget_bytes)}`
      : html`<strong>No models loaded</strong> · ${size(memory.budget_bytes)} budget`}</p>
    <div class="bar" role="meter" aria-label="Memory used by models" aria-valuemin="0" aria-valuemax=${memory.budget_bytes}
      aria-valuenow=${memory.charged_bytes} aria-valuetext="${size(memory.charged_bytes)} of ${size(memory.budget_bytes)}">
      ${loadedModels.map((model) => html`<i key=${model.name} data-state=${model.state} title="${model.name}: ${size(model.charged_bytes)}"
        style=${{ width: `${(100 * model.charged_bytes) / full}%`, background: colors[model.name] }}></i>`)}
    </div>
    ${loadedModels.length > 0 && html`<ul class="legend">${loadedModels.map((model) => html`<li key=${model.name}>
      <i style=${{ background: colors[model.name] }}></i>${model.name} <b>${size(model.charged_bytes)}</b></li>`)}</ul>`}
    ${memory.spare_engine && html`<p class="muted"><small>${spareWorkerText(memory)}</small></p>`}
  </section>`;
}

function spareWorkerText({ spare_engine, spare_is_ready, spare_bytes }) {
  const activity = spare_is_ready ? `${spare_engine} imported, ready for the next load` : `importing ${spare_engine} for the next load`;
  return `Spare worker: ${activity} · ${size(spare_bytes)} (released when memory is needed)`;
}
