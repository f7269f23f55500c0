// The card of the daemon's log: its last lines, as they are written.
// @ts-check
import { html, useState } from "./vendor/vendor.js";

/** @param {{log: {lines: string[], file: string, reason?: string}}} props */
export function Log({ log: { lines, file, reason } }) {
  const [search, setSearch] = useState("");
  const found = lines.filter((line) => line.toLowerCase().includes(search.toLowerCase()));
  return html`<section class="card" aria-labelledby="log-title">
    <header><h2 id="log-title">Log</h2><div class="filters"><input type="search" aria-label="Search the log" placeholder="Search" value=${search}
      onInput=${(event) => setSearch(event.target.value)} /></div></header>
    <div class="scroll log" tabindex="0" role="log" aria-live="off" aria-label="Log of the daemon"><pre><code>${found.join("\n")}</code></pre></div>
    <p class="muted"><small>${reason || html`The whole log: <code>${file}</code>`}</small></p></section>`;
}
