// The page: follows the daemon and lays out the cards.
// @ts-check
import { Activity } from "./activity.js";
import { Charts } from "./charts.js";
import { Clients } from "./clients.js";
import { Connect } from "./connect.js";
import { follow } from "./connection.js";
import { FOLLOWED, withEnvelope } from "./feeds.js";
import { FolderQuestions, Folders, useFolders } from "./folders.js";
import { PageHeader } from "./header.js";
import { useHistory } from "./history.js";
import { Jobs } from "./jobs.js";
import { LogIn, LogOut } from "./login.js";
import { Log } from "./log.js";
import { Memory } from "./memory.js";
import { Models } from "./models.js";
import { Recent } from "./recent.js";
import { Settings } from "./settings.js";
import { modelColors } from "./tasks.js";
import { Try } from "./try.js";
import { html, render, useEffect, useState } from "./vendor/vendor.js";

function App() {
  const [feeds, setFeeds] = useState({});
  const [heardAt, setHeardAt] = useState(0);
  const [connection, setConnection] = useState("connecting");
  const [session, setSession] = useState(0);
  useEffect(() => follow(`api/events?follow=${FOLLOWED}`, (envelope) => {
    setFeeds((before) => withEnvelope(before, envelope));
    setHeardAt(Date.now());
  }, setConnection), [session]);
  const begin = () => { setFeeds({}); setConnection("connecting"); setSession(session + 1); };
  if (connection === "unauthorized") return html`<${LogIn} onLogIn=${begin} />`;
  return html`<${PageHeader} status=${feeds.status} connection=${connection} heardAt=${heardAt}><${LogOut} onLogOut=${begin} /><//>
    ${feeds.status && html`<${Dashboard} feeds=${feeds} isLive=${connection === "live"} />`}`;
}

function Dashboard({ feeds, isLive }) {
  const { status, activity = [], clients = [], downloads = [], log, settings = [] } = feeds;
  const colors = modelColors(status.models);
  const speechModel = status.models.find((model) => model.task === "speech" && model.default);
  const history = useHistory(activity);
  const folders = useFolders();
  return html`<main data-stale=${!isLive}>
    <div class="now"><${Problems} reasons=${status.health.reasons} /><${FolderQuestions} folders=${folders} />
      <${Memory} memory=${status.memory} models=${status.models} colors=${colors} />
      <${Models} models=${status.models} past=${history.hour?.models ?? {}} downloads=${downloads} colors=${colors} />
      <div class="pair"><${Jobs} jobs=${status.jobs} colors=${colors} /><${Activity} events=${activity} /></div></div>
    <div class="side"><${Try} voices=${speechModel?.voices ?? []} /><${Recent} activity=${activity} /><${Connect} /></div>
    <div class="past"><${Charts} history=${history} status=${status} />
      <div class="pair"><${Clients} clients=${clients} /><${Folders} folders=${folders} /></div>
      ${settings.length > 0 && html`<${Settings} settings=${settings} />`}${log && html`<${Log} log=${log} />`}</div>
  </main>`;
}

/** What is wrong with the daemon. What is wrong with a model stands in its row. @param {{reasons: {model: string | null, text: string}[]}} props */
function Problems({ reasons }) {
  const problems = reasons.filter(({ model }) => model === null);
  if (!problems.length) return null;
  return html`<section class="card" role="alert"><h2>Problems</h2>
    ${problems.map(({ text }) => html`<p class="error">${text}</p>`)}</section>`;
}

render(html`<${App} />`, document.body);
