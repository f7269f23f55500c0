// The page: follows the status and lays its parts out.
// @ts-check
import { follow, keepKey } from "./api.js";
import { Charts, remember, sample } from "./charts.js";
import { Connect } from "./connect.js";
import { span } from "./format.js";
import { Jobs } from "./jobs.js";
import { Memory } from "./memory.js";
import { Models } from "./models.js";
import { Recent } from "./recent.js";
import { colours } from "./tasks.js";
import { Try } from "./try.js";
import { html, render, useEffect, useState } from "./vendor/vendor.js";

function App() {
  const [status, setStatus] = useState(null);
  const [samples, setSamples] = useState([]);
  const [link, setLink] = useState("lost");
  const [session, setSession] = useState(0);
  useEffect(() => follow((next) => {
    setStatus(next);
    setSamples((old) => remember(old, sample(next, Date.now() / 1000)));
  }, setLink), [session]);
  if (link === "locked") return html`<${Lock} onKey=${(key) => { keepKey(key); setSession(session + 1); setLink("lost"); }} />`;
  return html`<${Head} status=${status} link=${link} />${status && html`<${Body} status=${status} samples=${samples} />`}`;
}

function Head({ status, link }) {
  const [ok, text] = health(status, link);
  return html`<header class="page"><img src="web/icon.svg" alt="" width="36" height="36" />
    <h1>Senses</h1>${status && html`<span class="quiet">${status.version}</span>`}
    <p role="status" data-ok=${ok}>${text}</p></header>`;
}

function health(status, link) {
  if (link !== "live" || !status) return [false, status ? "Connection lost, trying again…" : "Connecting…"];
  return status.accepting ? [true, `Healthy · up ${span(status.uptime_seconds)}`] : [false, "Shutting down"];
}

function Body({ status, samples }) {
  const palette = colours(status.models);
  const speaker = status.models.find((model) => model.task === "speech" && model.default);
  const ended = status.counters.requests.reduce((sum, counter) => sum + counter.value, 0);
  return html`<main>
    <div class="wide"><${Memory} memory=${status.memory} models=${status.models} colours=${palette} />
      <${Charts} samples=${samples} />
      <${Jobs} jobs=${status.jobs} colours=${palette} />
      <${Models} models=${status.models} colours=${palette} /></div>
    <div class="side"><${Try} voices=${speaker?.voices ?? []} /><${Recent} stamp=${ended} /><${Connect} /></div>
  </main>`;
}

function Lock({ onKey }) {
  const [key, setKey] = useState("");
  return html`<form class="lock card" onSubmit=${(event) => { event.preventDefault(); onKey(key.trim()); }}>
    <h1>Senses</h1><p>This instance asks for its API key. It stays in this browser.</p>
    <input type="password" aria-label="API key" value=${key} onInput=${(event) => setKey(event.target.value)} autocomplete="current-password" />
    <button type="submit" class="main">Open</button></form>`;
}

render(html`<${App} />`, document.body);
