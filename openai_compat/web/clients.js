// The card of connected clients: the folders they may use, and the files they read and wrote; never what is in them.
// @ts-check
import { moment, span } from "./format.js";
import { html } from "./vendor/vendor.js";

const SOURCES = { client: "its own folder", settings: "of the settings", granted: "granted" };
const TRANSPORTS = { stdio: "a program on this machine", http: "over HTTP" };

export function Clients({ clients }) {
  return html`<section class="card clients" aria-labelledby="clients-title">
    <header><h2 id="clients-title">Clients</h2><p class="muted">${clients.length} connected</p></header>
    ${!clients.length && html`<p class="muted">Clients of MCP are listed here while they are connected.</p>`}
    ${clients.map((client) => html`<${Client} key=${client.id} client=${client} />`)}</section>`;
}

function Client({ client }) {
  const { name, transport, since, last_call_at: lastCallAt, folders, files } = client;
  const ago = (at) => `${span(Date.now() / 1000 - at)} ago`;
  return html`<article><h3>${name || "unknown client"} <small>${TRANSPORTS[transport] ?? transport} · connected ${ago(since)}${lastCallAt && ` · last call ${ago(lastCallAt)}`}</small></h3>
    ${folders.length > 0 && html`<ul aria-label="Folders of ${name}">${folders.map(({ folder, access, source }) => html`<li key=${`${folder} ${access}`}>
      <code>${folder}</code> <small>${access === "write" ? "reads and writes" : "reads"} · ${SOURCES[source] ?? source}</small></li>`)}</ul>`}
    ${files.length > 0 && html`<details><summary>${used(files)}</summary><ul aria-label="Files of ${name}">${files.map(({ at, access, path }) => html`<li key=${`${at} ${path}`}>
      <time datetime=${new Date(1000 * at).toISOString()}>${moment(at)}</time> ${access === "write" ? "wrote" : "read"} <code>${path}</code></li>`)}</ul></details>`}
  </article>`;
}

/** Return how many files were used, like "2 files read, 1 written". */
function used(files) {
  const written = files.filter(({ access }) => access === "write").length;
  const read = files.length - written;
  return [read && `${read} ${read === 1 ? "file" : "files"} read`, written && `${written} written`].filter(Boolean).join(", ");
}
