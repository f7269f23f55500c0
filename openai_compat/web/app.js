// The page: follows the daemon and lays out the cards.
// @ts-check
import { Activity } from "./activity.js";
import { storeApiKey } from "./api.js";
import { Charts } from "./charts.js";
import { Connect } from "./connect.js";
import { follow } from "./connection.js";
import { Folders } from "./folders.js";
import { PageHeader } from "./header.js";
import { useHistory } from "./history.js";
import { Jobs } from "./jobs.js";
import { LogIn } from "./login.js";
import { Memory } from "./memory.js";
import { Models } from "./models.js";
import { Recent } from "./recent.js";
import { modelColors } from "./tasks.js";
import { Try } from "./try.js";
import { html, render, useEffect, useState } from "./vendor/vendor.js";

function App() {
  const [status, setStatus] = useState(null);
  const [heardAt, setHeardAt] = useState(0);
  const [connection, setConnection] = useState("connecting");
  const [session, setSession] = useState(0);
  useEffect(() => follow("api/events", (next) => {
    setStatus(next);
    setHeardAt(Date.now());
  }, setConnection), [session]);
  const onKey = (key) => { storeApiKey(key); setSession(session + 1); setConnection("connecting"); };
  if (connection === "unauthorized") return html`<${LogIn} wasTried=${session > 0} onKey=${onKey} />`;
  return html`<${PageHeader} status=${status} connection=${connection} heardAt=${heardAt} />
    ${status && html`<${Dashboard} key=${session} status=${status} isLive=${connection === "live"} />`}`;
}

function Dashboard({ status, isLive }) {
  const colors = modelColors(status.models);
  const speechModel = status.models.find((model) => model.task === "speech" && model.default);
  const history = useHistory(changeCount(status));
  return html`<main data-stale=${!isLive}>
    <div class="now"><${Problems} problems=${status.problems} />
      <${Memory} memory=${status.memory} models=${status.models} colors=${colors} />
      <${Models} models=${status.models} past=${history.hour?.models ?? {}} colors=${colors} />
      <div class="pair"><${Jobs} jobs=${status.jobs} colors=${colors} />
        <${Activity} events=${history.hour?.activity ?? []} /></div></div>
    <div class="past"><${Charts} history=${history} models=${status.models} />
      <${Folders} /></div>
    <div class="side"><${Try} voices=${speechModel?.voices ?? []} /><${Recent} changes=${endedCount(status)} /><${Connect} /></div>
  </main>`;
}

const sum = (counters) => counters.reduce((total, counter) => total + counter.value, 0);
const endedCount = ({ counters }) => sum(counters.requests);
/** A new number tells that the history has something new. */
const changeCount = ({ counters }) => sum(counters.requests) + sum(counters.loads) + sum(counters.unloads);

function Problems({ problems }) {
  if (!problems.length) return null;
  return html`<section class="card" role="alert"><h2>Problems</h2>
    ${problems.map((reason) => html`<p class="error">${reason}</p>`)}</section>`;
}

render(html`<${App} />`, document.body);
