// The card of what happened: finished requests, loads, unloads and starts of the daemon, the newest first.
// @ts-check
import { duration, moment, speed } from "./format.js";
import { taskLabel } from "./tasks.js";
import { html } from "./vendor/vendor.js";

const MAX_SHOWN = 100;

/** @param {{events: any[]}} props the newest first */
export function Activity({ events }) {
  return html`<section class="card" aria-labelledby="activity-title">
    <header><h2 id="activity-title">Activity</h2><p class="muted">newest first</p></header>
    <div class="scroll" tabindex="0" role="group" aria-label="List of activity">
      <ul class="activity">${events.slice(0, MAX_SHOWN).map((event) => html`<li key=${`${event.kind} ${event.at} ${event.model}`} data-kind=${event.kind}>
        <time datetime=${new Date(1000 * event.at).toISOString()}>${moment(event.at)}</time><span>${event.kind === "request" ? html`<${Ended} event=${event} />` : event.text}</span></li>`)}</ul>
      ${!events.length && html`<p class="muted">Nothing happened yet.</p>`}</div>
  </section>`;
}

function Ended({ event }) {
  const facts = [duration(event.seconds), event.speed !== null && speed(event)].filter(Boolean).join(", ");
  return html`<b>${taskLabel(event.task)}</b> · ${event.model} <small>for ${event.client || "unknown client"} · ${facts} · ${event.error
    ? html`<span class="error">${event.error.replaceAll("_", " ")}</span>` : event.result}</small>`;
}
