// The card of settings: what can change while Senses runs can be changed here; the rest says why not.
// @ts-check
import { html, useState } from "./vendor/vendor.js";
import { Setting } from "./setting.js";

/** @param {{settings: any[]}} props as in the envelopes of this kind */
export function Settings({ settings }) {
  const [search, setSearch] = useState("");
  const found = settings.filter(({ key, description }) => `${key} ${description}`.toLowerCase().includes(search.toLowerCase()));
  const [editable, fixed] = [found.filter((setting) => setting.editable), found.filter((setting) => !setting.editable)];
  const list = (shown) => html`<ul>${shown.map((setting) => html`<${Setting} key=${setting.key} setting=${setting} />`)}</ul>`;
  return html`<section class="card" aria-labelledby="settings-title">
    <header><h2 id="settings-title">Settings</h2><div class="filters"><input type="search" aria-label="Search settings" placeholder="Search" value=${search}
      onInput=${(event) => setSearch(event.target.value)} /></div></header>
    <div class="scroll settings" tabindex="0" role="group" aria-label="List of settings">${list(editable)}
      ${fixed.length > 0 && html`<details open=${search !== ""}><summary>${fixed.length} that cannot be changed here</summary>${list(fixed)}</details>`}
      ${!found.length && html`<p class="muted">No setting is named so.</p>`}</div></section>`;
}
