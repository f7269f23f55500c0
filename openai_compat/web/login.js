// The form that asks for the API key, and the button that forgets it. The server keeps who is in by a cookie.
// @ts-check
import { post, request } from "./api.js";
import { html, useEffect, useState } from "./vendor/vendor.js";

/** @param {{onLogIn: () => void}} props */
export function LogIn({ onLogIn }) {
  const [key, setKey] = useState("");
  const [error, setError] = useState("");
  const submit = (event) => {
    event.preventDefault();
    post("api/login", { key }).then(onLogIn, (failure) => setError(failure.message));
  };
  return html`<form class="api-key card" onSubmit=${submit}>
    <h1>Senses</h1><p>This instance requires its API key. This browser is remembered; the key is not stored in it.</p>
    ${!isSecureContext && html`<p class="error">This connection is not encrypted: others in this network may read the key. tls_cert and tls_key in config.toml change that.</p>`}
    <input type="password" aria-label="API key" value=${key} onInput=${(event) => setKey(event.target.value)}
      aria-invalid=${error !== ""} aria-describedby="key-error" autocomplete="current-password" />
    <p id="key-error" class="error" role="alert">${error}</p>
    <button type="submit" class="main">Open</button></form>`;
}

/** @param {{onLogOut: () => void}} props shown only where a key is needed */
export function LogOut({ onLogOut }) {
  const [needsKey, setNeedsKey] = useState(false);
  useEffect(() => {
    request("api/session").then((response) => response.json()).then((session) => setNeedsKey(session.needs_key), () => {});
  }, []);
  return needsKey && html`<button type="button" onClick=${() => post("api/logout", {}).then(onLogOut, () => {})}>Log out</button>`;
}
