// One setting: its value, where it comes from, and the form that changes it.
// @ts-check
import { request } from "./api.js";
import { html, useState } from "./vendor/vendor.js";

export function Setting({ setting }) {
  const { key, description, source, editable, why_not: whyNot, pending } = setting;
  const [draft, setDraft] = useState(null); // null: as the daemon has it
  const [error, setError] = useState("");
  const send = (method, body) => request(`api/settings/${key}`, { method, headers: { "content-type": "application/json" }, body })
    .then(() => { setError(""); setDraft(null); }, (failure) => setError(failure.message));
  const save = (event) => { event.preventDefault(); send("PUT", JSON.stringify({ value: parsed(draft, setting.value) })); };
  const name = `setting-${key}`;
  return html`<li><form onSubmit=${save}><label for=${name}><code>${key}</code> <small>${description}</small></label>
    ${editable ? html`<${Input} id=${name} setting=${setting} draft=${draft} onInput=${setDraft} />` : html`<output id=${name}>${setting.shown}</output>`}
    ${draft !== null && html`<button type="submit" class="main" aria-label="Save ${key}">Save</button>
      <button type="button" aria-label="Undo ${key}" onClick=${() => { setDraft(null); setError(""); }}>Undo</button>`}
    ${editable && draft === null && source !== "default" && html`<button type="button" aria-label="Default of ${key}" title="Default: ${setting.default}"
      onClick=${() => send("DELETE")}>Default</button>`}
    <small class="note">${[source, whyNot, pending && `${pending} after the next start`].filter(Boolean).join(" · ")}</small>
    ${error && html`<small class="error" role="alert">${error}</small>`}</form></li>`;
}

function Input({ id, setting, draft, onInput }) {
  const { key, value, accepted } = setting;
  const text = draft ?? textOf(value);
  const write = (event) => onInput(event.target.value);
  if (typeof value === "boolean") return html`<select id=${id} value=${text} onChange=${write}><option>true</option><option>false</option></select>`;
  if (Array.isArray(value)) return html`<textarea id=${id} rows="2" title="One in each line: ${accepted}" onInput=${write} value=${text}></textarea>`;
  return html`<input id=${id} title="${key}: ${accepted}" inputmode=${typeof value === "number" ? "decimal" : "text"} value=${text} onInput=${write} />`;
}

/** Return a value of config.toml as people write it here: each text of a list in its own line. */
const textOf = (value) => (Array.isArray(value) ? value.join("\n") : String(value ?? ""));

/** Return what was written as a value of the kind that the setting has; what is no number is sent as it is, and refused with the reason. */
function parsed(text, before) {
  if (Array.isArray(before)) return text.split("\n").map((line) => line.trim()).filter(Boolean);
  if (typeof before === "boolean") return text === "true";
  const trimmed = text.trim();
  return /^-?\d+(\.\d+)?$/.test(trimmed) ? Number(trimmed) : trimmed;
}
