// Three live charts over the last five minutes, from the snapshots this page has seen.
// @ts-check
import { html, uPlot, useEffect, useRef } from "./vendor/vendor.js";

const WINDOW_SECONDS = 300;
const HEIGHT = 132;

/** One sample of what the charts show. @param {any} status @param {number} at seconds */
export function sample(status, at) {
  const requests = status.counters.requests.reduce((sum, counter) => sum + counter.value, 0);
  return {
    at,
    memory: status.memory.charged_bytes / 1e9,
    requests,
    working: status.jobs.filter((job) => job.state !== "queued").length,
    waiting: status.jobs.filter((job) => job.state === "queued").length,
  };
}

/** Keep the last five minutes and a minute more, from which rates are counted. */
export const remember = (samples, next) => [...samples.filter(({ at }) => at > next.at - WINDOW_SECONDS - 60), next];

/** Requests that ended in the minute before each sample. */
export function perMinute(samples) {
  let start = 0;
  return samples.map(({ at, requests }) => {
    while (samples[start].at < at - 60) start += 1;
    return requests - samples[start].requests;
  });
}

export function Charts({ samples }) {
  const xs = samples.map(({ at }) => at);
  const last = samples.at(-1);
  const rates = perMinute(samples);
  return html`<div class="charts">
    <${Chart} title="Memory" value="${last.memory.toFixed(1)} GB" unit=" GB" xs=${xs} series=${[samples.map((s) => s.memory)]} tone="--violet" least=${1} />
    <${Chart} title="Requests per minute" value=${String(rates.at(-1))} unit="" xs=${xs} series=${[rates]} tone="--teal" least=${4} />
    <${Chart} title="Working and waiting" value="${last.working} + ${last.waiting}" unit="" xs=${xs}
      series=${[samples.map((s) => s.working + s.waiting), samples.map((s) => s.working)]} tone="--amber" least=${4} />
  </div>`;
}

function Chart({ title, value, unit, xs, series, tone, least }) {
  const host = useRef(null);
  const plot = useRef(null);
  useEffect(() => {
    const element = host.current;
    plot.current = new uPlot(options(element.clientWidth, tone, unit, series.length, least), [[], ...series.map(() => [])], element);
    const resize = new ResizeObserver(() => plot.current.setSize({ width: element.clientWidth, height: HEIGHT }));
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
    <div ref=${host} role="img" aria-label="${title}: ${value}"></div></figure>`;
}

/** Colours are read from the style sheet at every drawing, so that they follow the colour scheme. */
function options(width, tone, unit, count, least) {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
  const soft = (alpha) => () => css(tone).replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
  const line = { width: 2, points: { show: false }, spanGaps: true };
  const axis = { stroke: () => css("--muted"), font: "11px system-ui", ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 16, 0, 0],
    scales: {
      x: { time: false, range: (_, __, end) => [end - WINDOW_SECONDS, end] },
      y: { range: (_, __, top) => [0, Math.max(top ?? 0, least) * 1.1] },
    },
    series: [
      {},
      { ...line, stroke: count > 1 ? soft(0.5) : () => css(tone), fill: soft(0.14) },
      ...(count > 1 ? [{ ...line, stroke: () => css(tone), fill: soft(0.14) }] : []),
    ],
    axes: [
      { ...axis, size: 22, grid: { show: false }, splits: (u) => [240, 120, 0].map((ago) => u.scales.x.max - ago), values: (u, ticks) => ticks.map((tick) => ago(u.scales.x.max - tick)) },
      { ...axis, size: 44, grid: { stroke: () => css("--line"), width: 1 }, space: 34, values: (_, ticks) => ticks.map((tick) => tick + unit) },
    ],
  };
}

const ago = (seconds) => (seconds < 1 ? "now" : `−${Math.round(seconds / 60)} min`);
