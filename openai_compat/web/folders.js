// The card of folders: what clients may use, what they asked for, and the buttons that answer.
// @ts-check
import { command, request } from "./api.js";
import { span } from "./format.js";
import { html, useEffect, useState } from "./vendor/vendor.js";

const RELOAD_MILLISECONDS = 5000;

export function Folders() {
  const [{ granted, requested }, setFolders] = useState({ granted: [], requested: [] });
  const [error, setError] = useState("");
  const load = () => request("api/folders").then((response) => response.json()).then(setFolders, () => {});
  const send = (path) => command(path).then(() => setError(""), (failure) => setError(failure.message)).then(load);
  useEffect(() => {
    load();
    const timer = setInterval(load, RELOAD_MILLISECONDS);
    return () => clearInterval(timer);
  }, []);
  if (!granted.length && !requested.length) return null;
  return html`<section class="card folders" id="folders" aria-labelledby="folders-title">
    <header><h2 id="folders-title">Folders</h2></header>
    ${error && html`<p class="error" role="alert">${error}</p>`}
    <ul>${requested.map((use) => html`<li key=${use.id}><p>Let <b>${client(use)}</b> ${purpose(use)} <code>${use.folder}</code>?</p>
      <button type="button" class="main" aria-label="Allow ${use.folder}" onClick=${() => send(`api/folders/${use.id}/grant`)}>Allow</button>
      <button type="button" aria-label="Refuse ${use.folder}" onClick=${() => send(`api/folders/${use.id}/refuse`)}>Refuse</button></li>`)}
    ${granted.map((use) => html`<li key=${use.id}><p><b>${client(use)}</b> may ${purpose(use)} <code>${use.folder}</code>
      <small class="muted"> since ${span(Date.now() / 1000 - use.granted_at)}</small></p>
      <button type="button" aria-label="Revoke ${use.folder}" onClick=${() => send(`api/folders/${use.id}/revoke`)}>Revoke</button></li>`)}</ul>
  </section>`;
}

const client = (use) => (use.client === "http" ? "clients over HTTP" : use.client || "every client");
const purpose = (use) => (use.access === "write" ? "read and save files in" : "read pictures and recordings in");
