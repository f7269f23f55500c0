// The folders that clients may use, and the questions that a person answers here.
// @ts-check
import { command, request } from "./api.js";
import { span } from "./format.js";
import { useReload } from "./reload.js";
import { html, useState } from "./vendor/vendor.js";

const IDLE_MILLISECONDS = 5000;

/** Return what is granted, what clients asked for, the last error, and `send`, which answers or revokes. */
export function useFolders() {
  const [{ granted, requested }, setFolders] = useState({ granted: [], requested: [] });
  const [error, setError] = useState("");
  const load = () => request("api/folders").then((response) => response.json()).then(setFolders, () => {});
  const send = (path) => command(path).then(() => setError(""), (failure) => setError(failure.message)).then(load);
  useReload(load, null, IDLE_MILLISECONDS);
  return { granted, requested, error, send };
}

/** What clients ask for, above everything else: somebody waits for the answer. */
export function FolderQuestions({ folders: { requested, error, send } }) {
  if (!requested.length) return null;
  return html`<section class="card folders" aria-labelledby="questions-title"><header><h2 id="questions-title">Questions</h2></header>
    ${error && html`<p class="error" role="alert">${error}</p>`}
    <ul>${requested.map((use) => html`<li key=${use.id}><p>Let <b>${client(use)}</b> ${purpose(use)} <code>${use.folder}</code>?</p>
      <button type="button" class="main" aria-label="Allow ${use.folder}" onClick=${() => send(`api/folders/${use.id}/grant`)}>Allow</button>
      <button type="button" aria-label="Refuse ${use.folder}" onClick=${() => send(`api/folders/${use.id}/refuse`)}>Refuse</button></li>`)}</ul></section>`;
}

export function Folders({ folders: { granted, error, send } }) {
  return html`<section class="card folders" id="folders" aria-labelledby="folders-title"><header><h2 id="folders-title">Folders</h2></header>
    ${error && html`<p class="error" role="alert">${error}</p>`}
    ${!granted.length && html`<p class="muted">No folder is granted. A client that needs one asks for it.</p>`}
    <ul>${granted.map((use) => html`<li key=${use.id}><p><b>${client(use)}</b> may ${purpose(use)} <code>${use.folder}</code>
      <small class="muted"> since ${span(Date.now() / 1000 - use.granted_at)}</small></p>
      <button type="button" aria-label="Revoke ${use.folder}" onClick=${() => send(`api/folders/${use.id}/revoke`)}>Revoke</button></li>`)}</ul></section>`;
}

const client = (use) => (use.client === "http" ? "clients over HTTP" : use.client || "every client");
const purpose = (use) => (use.access === "write" ? "read and save files in" : "read pictures and recordings in");
