// The memory card: the budget, and which model holds how much of it.
// @ts-check
import { size } from "./format.js";
import { html } from "./vendor/vendor.js";

export function Memory({ memory, models, colours }) {
  const holders = models.filter((model) => model.charged_bytes);
  const full = Math.max(memory.budget_bytes, memory.charged_bytes, 1);
  return html`<section class="card" aria-labelledby="memory-title">
    <header><h2 id="memory-title">Memory</h2>
      <p class="quiet">${size(memory.available_bytes)} free on this machine · Senses itself ${size(memory.daemon_bytes)}</p></header>
    <p class="amount"><strong>${size(memory.charged_bytes)}</strong> of ${size(memory.budget_bytes)}</p>
    <div class="bar" role="meter" aria-label="Memory held by models" aria-valuemin="0" aria-valuemax=${memory.budget_bytes}
      aria-valuenow=${memory.charged_bytes} aria-valuetext="${size(memory.charged_bytes)} of ${size(memory.budget_bytes)}">
      ${holders.map((model) => html`<i key=${model.name} data-state=${model.state} title="${model.name}: ${size(model.charged_bytes)}"
        style=${{ width: `${(100 * model.charged_bytes) / full}%`, background: colours[model.name] }}></i>`)}
    </div>
    ${holders.length
      ? html`<ul class="legend">${holders.map((model) => html`<li key=${model.name}>
          <i style=${{ background: colours[model.name] }}></i>${model.name} <b>${size(model.charged_bytes)}</b></li>`)}</ul>`
      : html`<p class="quiet">No model is in memory. The first call loads one; five idle minutes give it back.</p>`}
    ${memory.spare_engine && html`<p class="quiet"><small>${spare(memory)}</small></p>`}
  </section>`;
}

/** What the process without a model is there for. */
function spare({ spare_engine, spare_is_ready, spare_bytes }) {
  const does = `A spare process ${spare_is_ready ? "has imported" : "is importing"} ${spare_engine} for the next load`;
  return `${does}: ${size(spare_bytes)}, given up before a model misses it.`;
}
