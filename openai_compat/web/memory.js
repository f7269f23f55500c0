// The memory card: the budget with what each model holds of it, and the memory of the whole machine.
// @ts-check
import { size } from "./format.js";
import { html } from "./vendor/vendor.js";

export function Memory({ memory, models, colors }) {
  const loaded = models.filter((model) => model.charged_bytes);
  const share = (bytes) => `${(100 * bytes) / barBytes(memory)}%`;
  return html`<section class="card" aria-labelledby="memory-title">
    <header><h2 id="memory-title">Memory</h2><p class="muted">${machine(memory)}</p></header>
    <p class="amount">${loaded.length
      ? html`<strong>${size(memory.charged_bytes)}</strong> of ${size(memory.budget_bytes)}`
      : html`<strong>No models loaded</strong> · ${size(memory.budget_bytes)} budget`}</p>
    <div class="bar" role="meter" aria-label="Memory used by models" aria-valuemin="0" aria-valuemax=${memory.budget_bytes}
      aria-valuenow=${memory.charged_bytes} aria-valuetext="${size(memory.charged_bytes)} of ${size(memory.budget_bytes)}">
      ${parts(memory, loaded).map((part) => html`<i key=${`${part.kind} ${part.model}`} data-kind=${part.kind} data-state=${part.state}
        title="${part.label}: ${size(part.bytes)}" style=${{ width: share(part.bytes), background: colors[part.model] }}></i>`)}
      <i data-kind="budget" title="Budget: ${size(memory.budget_bytes)}" style=${{ left: share(memory.budget_bytes) }}></i>
    </div>
    <ul class="legend">${loaded.map((model) => html`<li key=${model.name}><i style=${{ background: colors[model.name] }}></i>${model.name}${" "}
        <b>${size(model.charged_bytes - model.working_bytes)}</b>${model.working_bytes > 0 && html` <small>+ ${size(model.working_bytes)} working</small>`}</li>`)}
      ${memory.other_bytes > 0 && html`<li><i data-kind="other"></i>other programs <b>${size(memory.other_bytes)}</b></li>`}
      ${memory.evictable_bytes > 0 && html`<li class="muted">unloading what is idle frees <b>${size(memory.evictable_bytes)}</b></li>`}</ul>
    ${memory.spare_engine && html`<p class="muted"><small>${spareWorkerText(memory)}</small></p>`}
  </section>`;
}

/** Return what models hold and what their requests take on top, from the left, and other programs, at the right. */
function parts(memory, loaded) {
  const held = loaded.flatMap(({ name, state, charged_bytes: charged, working_bytes: working }) => [
    { kind: "resident", model: name, state, label: name, bytes: charged - working },
    { kind: "working", model: name, state, label: `requests of ${name}`, bytes: working },
  ]);
  return [...held, { kind: "other", label: "other programs", bytes: memory.other_bytes }].filter(({ bytes }) => bytes > 0);
}

/** Return what the whole bar means: the memory of the machine; a charge may exceed it for a moment. */
const barBytes = ({ total_bytes: total, budget_bytes: budget, charged_bytes: charged, other_bytes: other }) => Math.max(total, budget, charged + other, 1);

const machine = (memory) => [
  memory.total_bytes > 0 && `${size(memory.total_bytes)} on this machine`, `${size(memory.available_bytes)} free`, `daemon ${size(memory.daemon_bytes)}`,
].filter(Boolean).join(" · ");

function spareWorkerText({ spare_engine, spare_is_ready, spare_bytes }) {
  const activity = spare_is_ready ? `${spare_engine} imported, ready for the next load` : `importing ${spare_engine} for the next load`;
  return `Spare worker: ${activity} · ${size(spare_bytes)} (released when memory is needed)`;
}
