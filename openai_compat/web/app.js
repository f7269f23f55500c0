// The page: follows the status and lays out the cards.
// @ts-check
import { follow, request, storeApiKey } from "./api.js";
import { Charts, appendSample, historySamples, sample, withHistory } from "./charts.js";
import { Connect } from "./connect.js";
import { Folders } from "./folders.js";
import { span } from "./format.js";
import { Jobs } from "./jobs.js";
import { Memory } from "./memory.js";
import { Models } from "./models.js";
import { Recent } from "./recent.js";
import { modelColors } from "./tasks.js";
import { Try } from "./try.js";
import { html, render, useEffect, useState } from "./vendor/vendor.js";

function App() {
  const [status, setStatus] = useState(null);
  const [samples, setSamples] = useState([]);
  const [connection, setConnection] = useState("disconnected");
  const [session, setSession] = useState(0);
  useEffect(() => follow((next) => {
    setStatus(next);
    setSamples((old) => appendSample(old, sample(next, Date.now() / 1000)));
  }, setConnection), [session]);
  useEffect(() => {
    loadPast().then((past) => setSamples((live) => withHistory(live, past)));
  }, [session]);
  const onKey = (key) => { storeApiKey(key); setSession(session + 1); setConnection("disconnected"); };
  if (connection === "unauthorized") return html`<${ApiKeyForm} onKey=${onKey} />`;
  return html`<${PageHeader} status=${status} connection=${connection} />
    ${status && html`<${Dashboard} status=${status} samples=${samples} />`}`;
}

/** Return samples of what happened before this page was opened; none if the server does not tell. */
async function loadPast() {
  try {
    return historySamples(await (await request("api/history")).json(), Date.now() / 1000);
  } catch {
    return [];
  }
}

function PageHeader({ status, connection }) {
  const [ok, text] = health(status, connection);
  return html`<header class="page"><img src="web/icon.svg" alt="" width="36" height="36" />
    <h1>Senses</h1>${status && html`<span class="muted">${status.version}</span>`}
    <p role="status" data-ok=${ok}>${text}</p></header>`;
}

function health(status, connection) {
  if (connection !== "live" || !status) return [false, status ? "Disconnected, reconnecting…" : "Connecting…"];
  if (!status.accepting) return [false, "Shutting down"];
  const isHealthy = !status.problems.length;
  return [isHealthy, `${isHealthy ? "Healthy" : "Degraded"} · up ${span(status.uptime_seconds)}`];
}

function Dashboard({ status, samples }) {
  const colors = modelColors(status.models);
  const speechModel = status.models.find((model) => model.task === "speech" && model.default);
  const endedRequests = status.counters.requests.reduce((sum, counter) => sum + counter.value, 0);
  return html`<main>
    <div class="wide"><${Problems} problems=${status.problems} /><${Folders} />
      <${Memory} memory=${status.memory} models=${status.models} colors=${colors} />
      <${Charts} samples=${samples} />
      <${Jobs} jobs=${status.jobs} colors=${colors} />
      <${Models} models=${status.models} colors=${colors} /></div>
    <div class="side"><${Try} voices=${speechModel?.voices ?? []} /><${Recent} endedRequests=${endedRequests} /><${Connect} /></div>
  </main>`;
}

function Problems({ problems }) {
  if (!problems.length) return null;
  return html`<section class="card" role="alert"><h2>Problems</h2>
    ${problems.map((reason) => html`<p class="error">${reason}</p>`)}</section>`;
}

function ApiKeyForm({ onKey }) {
  const [key, setKey] = useState("");
  return html`<form class="api-key card" onSubmit=${(event) => { event.preventDefault(); onKey(key.trim()); }}>
    <h1>Senses</h1><p>This instance requires its API key. The key is stored in this browser only.</p>
    <input type="password" aria-label="API key" value=${key} onInput=${(event) => setKey(event.target.value)} autocomplete="current-password" />
    <button type="submit" class="main">Open</button></form>`;
}

render(html`<${App} />`, document.body);
