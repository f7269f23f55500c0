// The form that asks for the API key.
// @ts-check
import { html, useState } from "./vendor/vendor.js";

/** @param {{wasTried: boolean, onKey: (key: string) => void}} props `wasTried`: a key was given and refused */
export function LogIn({ wasTried, onKey }) {
  const [key, setKey] = useState("");
  const submit = (event) => { event.preventDefault(); onKey(key.trim()); };
  return html`<form class="api-key card" onSubmit=${submit}>
    <h1>Senses</h1><p>This instance requires its API key. The key is stored in this browser only.</p>
    <input type="password" aria-label="API key" value=${key} onInput=${(event) => setKey(event.target.value)}
      aria-invalid=${wasTried} aria-describedby="key-error" autocomplete="current-password" />
    <p id="key-error" class="error" role="alert">${wasTried && "This key is wrong. It is api_key in config.toml of this instance."}</p>
    <button type="submit" class="main">Open</button></form>`;
}
