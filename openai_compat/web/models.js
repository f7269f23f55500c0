// The card of models: loaded and failed ones first, a filter, a search, and what can be downloaded.
// @ts-check
import { Downloads } from "./downloads.js";
import { ModelRow, isBroken, isInMemory } from "./model_row.js";
import { taskLabel } from "./tasks.js";
import { html, useRef, useState } from "./vendor/vendor.js";

const FILTERS = {
  all: { label: "All", holds: () => true },
  loaded: { label: "Loaded", holds: isInMemory },
  failed: { label: "Failed", holds: (model) => Boolean(model.error) },
};
const FEW = 4;

export function Models({ models, past, downloads, colors }) {
  const [filter, setFilter] = useState("all");
  const [search, setSearch] = useState("");
  const [body, order] = useSteadyOrder(models);
  // a local model with an error has a row that shows the error
  const listed = models.filter((model) => model.present || model.error);
  const found = listed.filter((model) => FILTERS[filter].holds(model) && isFound(model, search));
  const shown = found.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  const absent = models.filter((model) => !listed.includes(model) && isFound(model, search));
  return html`<section class="card" aria-labelledby="models-title">
    <header><h2 id="models-title">Models</h2><p class="muted">${listed.filter((model) => model.present).length} downloaded</p></header>
    <div class="filters"><fieldset><legend class="hidden">Show</legend>${Object.entries(FILTERS).map(([name, { label, holds }]) => html`<label key=${name}>
        <input type="radio" name="models" checked=${filter === name} onChange=${() => setFilter(name)} />${label} <small>${listed.filter(holds).length}</small></label>`)}</fieldset>
      <input type="search" aria-label="Search models" placeholder="Search" value=${search} onInput=${(event) => setSearch(event.target.value)} /></div>
    <div class="scroll models-box" data-many=${models.length > FEW} tabindex="0" role="group" aria-label="List of models"><table class="models" ref=${body}>
      <thead><tr><th scope="col">Model</th><th scope="col">State</th><th scope="col">Memory</th>
        <th scope="col">Last hour</th><th scope="col"><span class="hidden">Actions</span></th></tr></thead>
      <tbody>${shown.map((model) => html`<${ModelRow} key=${model.name} model=${model} past=${past[model.name]} color=${colors[model.name]} />`)}</tbody>
    </table>${!shown.length && html`<p class="muted">No model is like that.</p>`}
    <${Downloads} models=${absent} downloads=${downloads} /></div>
  </section>`;
}

/** Return the rank of a model: failed, broken, in memory, others. */
function rank(model) {
  if (model.error) return isBroken(model) ? 1 : 0;
  return isInMemory(model) ? 2 : 3;
}

const isFound = (model, search) => [model.name, model.description, taskLabel(model.task), model.source]
  .some((text) => text.toLowerCase().includes(search.trim().toLowerCase()));

/** Return a ref of the table, and names in order. While a pointer or the focus is in the table no row moves. */
function useSteadyOrder(models) {
  const table = useRef(null);
  const names = useRef([]);
  const ranked = models.map((model, index) => ({ model, index })).sort((a, b) => rank(a.model) - rank(b.model) || a.index - b.index);
  const next = ranked.map(({ model }) => model.name);
  const isUsed = table.current?.matches(":hover, :focus-within") && next.length === names.current.length;
  if (!isUsed) names.current = next;
  return [table, names.current];
}
