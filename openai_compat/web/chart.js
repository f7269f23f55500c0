// One graph, drawn by uPlot.
// @ts-check
import { moment } from "./format.js";
import { html, uPlot, useEffect, useRef, useState } from "./vendor/vendor.js";

const HEIGHT_PIXELS = 132;
/** Kind of a mark → the CSS variable of its color. */
export const MARK_COLORS = { load: "--green", "failed load": "--red", eviction: "--amber", start: "--muted" };

/**
 * Draw one or two series; the second one lies within the first. `text` tells the point of an index in words: the one `at`,
 * or the one under the pointer. `color` is a CSS variable; the y axis reaches at least `minimumMax`; `marks` are vertical
 * lines; a series that `hasGaps` shows its points.
 */
export function Chart({ title, text, at, unit, xs, series, color, minimumMax, marks = [], hasGaps = false }) {
  const [pointed, setPointed] = useState(null);
  const container = useRef(null);
  const plot = useRef(null);
  const marked = useRef(marks);
  marked.current = marks;
  useEffect(() => {
    const element = container.current;
    const data = [[], ...series.map(() => [])];
    plot.current = new uPlot(options({ width: element.clientWidth, color, unit, count: series.length, minimumMax, marked, hasGaps, onPoint: setPointed }), data, element);
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
  useEffect(() => plot.current?.setData([xs, ...series]), [xs, ...series]);
  return html`<figure class="chart"><figcaption><h3>${title}</h3><strong>${pointed !== null && html`<small>${moment(xs[pointed])}</small> `}${text(pointed ?? at)}</strong></figcaption>
    <div class="plot" ref=${container} role="img" aria-label="${title}: ${text(at)}"></div></figure>`;
}

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);

/** Return uPlot's options. Functions read the colors at every redraw, so that they follow the color scheme. */
function options({ width, color, unit, count, minimumMax, marked, hasGaps, onPoint }) {
  const withAlpha = (alpha) => () => css(color).replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
  const line = { width: 2, points: { show: hasGaps, size: 5 }, spanGaps: true, fill: withAlpha(0.14) };
  const axis = { stroke: () => css("--muted"), font: "11px system-ui", ticks: { show: false } };
  const spanOf = ({ scales: { x } }) => x.max - x.min;
  return {
    width,
    height: HEIGHT_PIXELS,
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    padding: [8, 16, 0, 0],
    hooks: { drawAxes: [(u) => drawMarks(u, marked.current)], setCursor: [(u) => onPoint(u.cursor.idx ?? null)] },
    scales: {
      x: { time: false },
      y: { range: (_, __, top) => [0, Math.max(top ?? 0, minimumMax) * 1.1] },
    },
    series: [{}, { ...line, stroke: withAlpha(count > 1 ? 0.5 : 1) }, ...(count > 1 ? [{ ...line, stroke: withAlpha(1) }] : [])],
    axes: [
      { ...axis, size: 22, grid: { show: false }, splits: (u) => [0.75, 0.375, 0].map((part) => u.scales.x.max - part * spanOf(u)),
        values: (u, ticks) => ticks.map((tick) => ago(u.scales.x.max - tick)) },
      { ...axis, size: 44, grid: { stroke: () => css("--line"), width: 1 }, space: 34, values: (_, ticks) => ticks.map((tick) => tick + unit) },
    ],
  };
}

function drawMarks(u, marks) {
  const { left, top, height, width } = u.bbox;
  for (const { at, kind } of marks) {
    const x = Math.round(u.valToPos(at, "x", true));
    if (x < left || x > left + width) continue;
    u.ctx.fillStyle = css(MARK_COLORS[kind]);
    u.ctx.fillRect(x, top, devicePixelRatio, height);
  }
}

function ago(seconds) {
  if (seconds < 1) return "now";
  return seconds < 5400 ? `−${Math.round(seconds / 60)} min` : `−${Number((seconds / 3600).toFixed(1))} h`;
}
