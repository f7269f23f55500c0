// What waits and runs at this moment.
// @ts-check
import { command } from "./api.js";
import { clock } from "./format.js";
import { verb } from "./tasks.js";
import { html } from "./vendor/vendor.js";

export function Jobs({ jobs, colours }) {
  return html`<section class="card" aria-labelledby="jobs-title">
    <header><h2 id="jobs-title">Now</h2><p class="quiet">${jobs.length ? `${jobs.length} at work or waiting` : "Nothing to do"}</p></header>
    ${jobs.length > 0 && html`<ul class="jobs">${jobs.map((job) => html`<${Job} key=${job.id} job=${job} colour=${colours[job.model]} />`)}</ul>`}
  </section>`;
}

function Job({ job, colour }) {
  const known = job.total > 0;
  return html`<li>
    <i class="dot" style=${{ background: colour }}></i>
    <span class="what"><b>${verb(job.task)}</b> with ${job.model} <small>for ${job.client || "someone"}</small></span>
    <span class="stage">${job.state === "queued" ? `waiting, place ${job.position}${job.reason && `: ${job.reason}`}` : progress(job)}</span>
    <span class="quiet">${clock(job.age_seconds)}</span>
    <button type="button" aria-label="Cancel job ${job.id}" onClick=${() => command(`api/jobs/${job.id}/cancel`).catch(() => {})}>Cancel</button>
    <div class="progress" data-state=${job.state} data-known=${known} role="progressbar" aria-label="Job ${job.id}" aria-valuemin="0"
      aria-valuemax=${known ? job.total : 1} aria-valuenow=${known ? job.done : undefined}>
      <i style=${{ width: known ? `${(100 * job.done) / job.total}%` : "100%", background: colour }}></i></div>
  </li>`;
}

/** "loading weights", "steps 3 of 4"; fractions of a second of sound are noise. */
function progress(job) {
  const stage = job.stage || job.state;
  return job.total > 1 ? `${stage} ${Math.round(job.done)} of ${Math.round(job.total)}` : stage;
}
