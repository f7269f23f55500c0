// Three live charts of the last five minutes: from the history at first, then from the statuses that this page receives.
// @ts-check
import { html, uPlot, useEffect, useRef } from "./vendor/vendor.js";

const WINDOW_SECONDS = 300;
const RATE_SECONDS = 60;
const HEIGHT_PIXELS = 132;

/** Return a sample of all charts: memory in GB, requests ended so far, requests by state. @param {any} status @param {number} at seconds */
export function sample(status, at) {
  const requests = status.counters.requests.reduce((sum, counter) => sum + counter.value, 0);
  return {
    at,
    memory: status.memory.charged_bytes / 1e9,
    requests,
    running: status.jobs.filter((job) => job.state === "running").length,
    // also those whose model loads, as in the table of models
    queued: status.jobs.filter((job) => job.state !== "running").length,
  };
}

/** Append a sample and drop those too old for the charts and for the rate at their left edge. */
export const appendSample = (samples, next) => [
  ...samples.filter(({ at }) => at > next.at - WINDOW_SECONDS - RATE_SECONDS), { ...next, ended: endedSince(samples.at(-1), next) },
];

/** Return how many requests ended since the last sample. The counter of a daemon that started again begins at 0. */
function endedSince(last, { requests }) {
  if (last?.requests === undefined) return 0;
  return requests < last.requests ? requests : requests - last.requests;
}

/** Return samples of a history, one for each of its buckets from the first that holds something. @param {any} history @param {number} now seconds */
export function historySamples({ buckets, bucket_seconds: width, now: serverNow }, now) {
  const byStart = new Map(buckets.map((bucket) => [bucket.start, bucket]));
  const samples = [];
  for (let start = buckets[0]?.start ?? Infinity; start <= serverNow; start += width) {
    const { memory_bytes = {}, running = 0, waiting = 0, total = {} } = byStart.get(start) ?? {};
    const memory = Object.values(memory_bytes).reduce((sum, held) => sum + held, 0) / 1e9;
    const at = now - serverNow + Math.min(start + width, serverNow);
    samples.push({ at, memory, running, queued: waiting, ended: total.requests ?? 0 });
  }
  return samples.filter(({ at }) => at > now - WINDOW_SECONDS - RATE_SECONDS);
}

/** Put the samples of a history before those that came live meanwhile. */
export function withHistory(live, past) {
  const end = (live[0]?.at ?? Infinity) - 0.001; // uPlot wants ascending times
  return [...past.map((sample) => ({ ...sample, at: Math.min(sample.at, end) })), ...live];
}

/** Return the number of requests that ended in the minute before each sample. */
export function perMinute(samples) {
  let [start, sum] = [0, 0];
  return samples.map(({ at, ended }) => {
    sum += ended;
    for (; samples[start].at <= at - RATE_SECONDS; start += 1) sum -= samples[start].ended;
    return sum;
  });
}

export function Charts({ samples }) {
  const xs = samples.map(({ at }) => at);
  const last = samples.at(-1);
  const rates = perMinute(samples);
  return html`<div class="charts">
    <${Chart} title="Memory" value="${last.memory.toFixed(1)} GB" unit=" GB" xs=${xs} series=${[samples.map((s) => s.memory)]} color="--violet" minimumMax=${1} />
    <${Chart} title="Requests per minute" value=${String(rates.at(-1))} unit="" xs=${xs} series=${[rates]} color="--teal" minimumMax=${4} />
    <${Chart} title="Running and queued" value="${last.running} + ${last.queued}" unit="" xs=${xs}
      series=${[samples.map((s) => s.running + s.queued), samples.map((s) => s.running)]} color="--amber" minimumMax=${4} />
  </div>`;
}

/** `color` is a CSS variable; the y axis reaches at least `minimumMax`. */
function Chart({ title, value, unit, xs, series, color, minimumMax }) {
  const container = useRef(null);
  const plot = useRef(null);
  useEffect(() => {
    const element = container.current;
    plot.current = new uPlot(options(element.clientWidth, color, unit, series.length, minimumMax), [[], ...series.map(() => [])], element);
    const resize = new ResizeObserver(() => plot.current.setSize({ width: element.clientWidth, height: HEIGHT_PIXELS }));
    resize.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const redraw = () => plot.current.redraw();
    scheme.addEventListener("change", redraw);
    return () => {
      scheme.removeEventListener("change", redraw);
      resize.disconnect();
      plot.current.destroy();
    };
  }, []);
  useEffect(() => plot.current?.setData([xs, ...series]), [xs, series]);
  return html`<figure class="card chart"><figcaption><h3>${title}</h3><strong>${value}</strong></figcaption>
    <div ref=${container} role="img" aria-label="${title}: ${value}"></div></figure>`;
}

/** Return uPlot's options. Functions read the colors at every redraw, so that they follow the color scheme. */
function options(width, color, unit, seriesCount, minimumMax) {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
  const withAlpha = (alpha) => () => css(color).replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
  const line = { width: 2, points: { show: false }, spanGaps: true };
  const axis = { stroke: () => css("--muted"), font: "11px system-ui", ticks: { show: false } };
  return {
    width,
    height: HEIGHT_PIXELS,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 16, 0, 0],
    scales: {
      x: { time: false, range: (_, __, end) => [end - WINDOW_SECONDS, end] },
      y: { range: (_, __, top) => [0, Math.max(top ?? 0, minimumMax) * 1.1] },
    },
    series: [
      {},
      { ...line, stroke: withAlpha(seriesCount > 1 ? 0.5 : 1), fill: withAlpha(0.14) },
      ...(seriesCount > 1 ? [{ ...line, stroke: withAlpha(1), fill: withAlpha(0.14) }] : []),
    ],
    axes: [
      { ...axis, size: 22, grid: { show: false }, splits: (u) => [240, 120, 0].map((ago) => u.scales.x.max - ago), values: (u, ticks) => ticks.map((tick) => ago(u.scales.x.max - tick)) },
      { ...axis, size: 44, grid: { stroke: () => css("--line"), width: 1 }, space: 34, values: (_, ticks) => ticks.map((tick) => tick + unit) },
    ],
  };
}

const ago = (seconds) => (seconds < 1 ? "now" : `−${Math.round(seconds / 60)} min`);
