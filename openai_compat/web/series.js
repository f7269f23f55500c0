// What the graphs draw, made of the history. Pure.
// @ts-check

const MINUTE = 60;
const RANGE_SECONDS = { hour: 3600, day: 86_400 };

/**
 * Return a point for each bucket of the range, the oldest first, at its end. A bucket that the history leaves out is empty.
 * @param {any} history @param {string} model "" for all of them together
 */
export function points(history, model) {
  const { buckets, bucket_seconds: width, now } = history;
  const byStart = new Map(buckets.map((bucket) => [bucket.start, bucket]));
  // a bucket that began just now may be empty yet
  const end = Math.max(buckets.at(-1)?.start ?? 0, (Math.floor(now / width) - 1) * width);
  const count = RANGE_SECONDS[history.range] / width;
  return Array.from({ length: count }, (_, index) => point(byStart.get(end - (count - 1 - index) * width), model))
    .map((values, index) => ({ ...values, at: Math.min(end - (count - 2 - index) * width, now) }));
}

function point(bucket, model) {
  const { memory_bytes: memory = {}, total = {}, models = {}, running = 0, waiting = 0 } = bucket ?? {};
  const summary = model ? models[model] ?? {} : total;
  const held = model ? memory[model] ?? 0 : Object.values(memory).reduce((sum, bytes) => sum + bytes, 0);
  const { requests = 0, seconds_p50: p50 = null, seconds_p95: p95 = null } = summary;
  return { memory: held / 1e9, requests, p50, p95, running, queued: waiting };
}

/** Return the points with the last one as it is this moment: its bucket may not have been measured yet. @param {any} status */
export function withNow(all, status, model) {
  const { charged_bytes: held } = model ? status.models.find(({ name }) => name === model) ?? { charged_bytes: 0 } : status.memory;
  const running = status.jobs.filter(({ state }) => state === "running").length;
  return [...all.slice(0, -1), { ...all.at(-1), memory: held / 1e9, running, queued: status.jobs.length - running }];
}

/** Return the requests per minute at each point: of the minute before it, or of its bucket if that is longer. */
export function rates(all, width) {
  const count = Math.max(1, Math.round(MINUTE / width));
  const sums = all.map((_, index) => all.slice(Math.max(0, index - count + 1), index + 1).reduce((sum, { requests }) => sum + requests, 0));
  return sums.map((sum) => (sum * MINUTE) / (width * count));
}

/** What a graph marks. Other unloads are seen in the memory. @param {any} history @param {string} model */
export function marks({ changes }, model) {
  return changes.filter((change) => change.kind === "start" || !model || change.model === model)
    .map((change) => ({ at: change.at, kind: kindOf(change) })).filter(({ kind }) => kind);
}

function kindOf({ kind, code, reason }) {
  if (kind === "load") return code === "ok" ? "load" : "failed load";
  if (kind === "unload") return reason.startsWith("evicted") ? "eviction" : "";
  return "start";
}
