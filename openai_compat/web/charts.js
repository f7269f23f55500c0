// Three live charts of the last five minutes, from the statuses that this page has received.
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
  ...samples.filter(({ at }) => at > next.at - WINDOW_SECONDS - RATE_SECONDS), next,
];

/** Return the number of requests that ended in the minute before each sample. */
export function perMinute(samples) {
  let start = 0;
  return samples.map(({ at, requests }) => {
    while (samples[start].at < at - RATE_SECONDS) start += 1;
    return requests - samples[start].requests;
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
