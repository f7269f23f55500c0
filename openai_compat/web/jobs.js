// The card of requests that run or wait. It scrolls, so that it never moves the rest of the page.
// @ts-check
import { command } from "./api.js";
import { clock } from "./format.js";
import { taskLabel } from "./tasks.js";
import { html } from "./vendor/vendor.js";

const STATES = ["running", "loading", "queued"];
const MAX_SHOWN = 50;

export function Jobs({ jobs, colors }) {
  const ofState = (state) => jobs.filter((job) => job.state === state);
  const counts = STATES.filter((state) => ofState(state).length).map((state) => `${ofState(state).length} ${state}`);
  const shown = STATES.flatMap(ofState).slice(0, MAX_SHOWN);
  return html`<section class="card" aria-labelledby="jobs-title">
    <header><h2 id="jobs-title">Active requests</h2><p class="muted">${counts.join(", ") || "Idle"}</p></header>
    <div class="scroll" tabindex="0" role="group" aria-label="List of active requests">
      <ul class="jobs">${shown.map((job) => html`<${Job} key=${job.id} job=${job} color=${colors[job.model]} />`)}</ul>
      ${jobs.length > shown.length && html`<p class="muted">and ${jobs.length - shown.length} more</p>`}
      ${!jobs.length && html`<p class="muted">Nothing runs or waits.</p>`}</div>
  </section>`;
}

function Job({ job, color }) {
  const hasTotal = job.total > 0;
  return html`<li>
    <i class="dot" style=${{ background: color }}></i>
    <span><b>${taskLabel(job.task)}</b> · ${job.model} <small>from ${job.client || "unknown client"} · ${clock(job.age_seconds)}</small></span>
    <button type="button" aria-label="Cancel request ${job.id}" onClick=${() => command(`api/jobs/${job.id}/cancel`).catch(() => {})}>Cancel</button>
    <span class="stage">${job.state === "queued" ? `queued, position ${job.position}${job.reason && `: ${job.reason}`}` : progress(job)}</span>
    <div class="progress" data-state=${job.state} data-has-total=${hasTotal} role="progressbar" aria-label="Request ${job.id}" aria-valuemin="0"
      aria-valuemax=${hasTotal ? job.total : 1} aria-valuenow=${hasTotal ? job.done : undefined}>
      <i style=${{ width: hasTotal ? `${(100 * job.done) / job.total}%` : "100%", background: color }}></i></div>
  </li>`;
}

/** Return the progress of a request, like "loading libraries" or "steps 3 of 4". Fractions (seconds of audio) are not shown. */
function progress(job) {
  if (job.state === "loading") return `loading ${job.stage}`;
  const stage = job.stage || job.state;
  return job.total > 1 ? `${stage} ${Math.round(job.done)} of ${Math.round(job.total)}` : stage;
}
