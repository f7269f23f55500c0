// The head of the page: health and what is wrong, and how old it is.
// @ts-check
import { span } from "./format.js";
import { html, useEffect, useState } from "./vendor/vendor.js";

/** The status line says only what changes the meaning, because it is read aloud; the age stands beside it. */
export function PageHeader({ status, connection, heardAt, children }) {
  const [ok, text] = health(status, connection);
  return html`<header class="page"><img src="web/icon.svg" alt="" width="36" height="36" />
    <h1>Senses</h1><span class="muted version">${status?.version}</span>
    <${Age} status=${status} isLive=${connection === "live"} heardAt=${heardAt} />
    <p role="status" data-ok=${ok}>${text}</p>${children}</header>`;
}

/** Return whether all is well, and the words for it. */
function health(status, connection) {
  if (connection === "lost") return [false, "Connection lost, trying again"];
  if (!status || connection !== "live") return [false, "Connecting…"];
  return [status.health.state === "ok", status.health.text];
}

/** The uptime; without a connection, how old everything on the page is. */
function Age({ status, isLive, heardAt }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (isLive) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [isLive]);
  if (!status) return null;
  const text = isLive ? `up ${span(status.uptime_seconds)}` : `last heard ${span((now - heardAt) / 1000)} ago`;
  return html`<span class="muted age">${text}</span>`;
}
