// The dialogs that tell what a download or a deletion of a model means, and then do it.
// @ts-check
import { post, request } from "./api.js";
import { Dialog } from "./dialog.js";
import { size } from "./format.js";
import { html, useEffect, useState } from "./vendor/vendor.js";

/** @param {{name: string, onClose: () => void}} props */
export function DownloadDialog({ name, onClose }) {
  const { facts, error, run } = useFacts(name, onClose);
  return html`<${Dialog} title="Download ${name}?" onClose=${onClose}>
    ${facts && html`<p>${size(facts.size_bytes)} from ${facts.repositories.join(", ")} into <code>${facts.folder}</code>.</p>
      <p>Licence: ${facts.licence || "not known; look at its page first"}.</p>
      <p class=${facts.fits_memory ? "" : "error"}>${memoryFit(facts)}</p>
      <p class=${facts.fits_disk ? "" : "error"}>${size(facts.free_disk_bytes)} of the disk are free.</p>`}
    <${Answer} label="Download" isAllowed=${facts?.can_download && facts.fits_disk} why=${error || facts?.why_not_download} onClose=${onClose}
      onYes=${() => run(() => post(`api/models/${name}/download`, {}))} /><//>`;
}

const memoryFit = ({ fits_memory: fits, needed_bytes: needed, budget_bytes: budget }) => (fits
  ? `It fits: it needs ${size(needed)} of the ${size(budget)} for models.`
  : `It does not fit: it needs ${size(needed)}, and there are ${size(budget)} for models.`);

/** @param {{name: string, onClose: () => void}} props */
export function DeleteDialog({ name, onClose }) {
  const { facts, error, code, run } = useFacts(name, onClose);
  const isShared = code === "shared";
  const path = `api/models/${name}${isShared ? "?shared=1" : ""}`;
  return html`<${Dialog} title="Delete ${name}?" onClose=${onClose}>
    ${facts && html`<p>Its ${size(facts.size_bytes)} are deleted from <code>${facts.folder}</code>. It can be downloaded again.</p>`}
    <${Answer} label=${isShared ? "Delete all the same" : "Delete"} isAllowed=${facts?.can_delete} why=${error || facts?.why_not_delete} onClose=${onClose}
      onYes=${() => run(() => request(path, { method: "DELETE" }))} /><//>`;
}

/** Return the facts of a model's files, what went wrong last, and `run`, which closes the dialog if all goes well. */
function useFacts(name, onClose) {
  const [facts, setFacts] = useState(null);
  const [failure, setFailure] = useState({ message: "", code: "" });
  useEffect(() => {
    request(`api/models/${name}/download`).then((response) => response.json()).then(setFacts, setFailure);
  }, [name]);
  return { facts, error: failure.message, code: failure.code, run: (action) => action().then(onClose, setFailure) };
}

function Answer({ label, isAllowed, why, onYes, onClose }) {
  return html`${why && html`<p class="error" role="alert">${why}</p>`}
    <footer><button type="button" onClick=${onClose}>Cancel</button>
      <button type="button" class="main" disabled=${!isAllowed} onClick=${onYes}>${label}</button></footer>`;
}
