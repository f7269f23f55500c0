// What the daemon sent last, of each kind. Pure.
// @ts-check

/** The kinds that this page follows besides the status. */
export const FOLLOWED = ["activity", "clients", "downloads", "log", "settings"];
const MAX_EVENTS = 200;
const MAX_LINES = 500;

/**
 * Return the feeds with an envelope of /api/events: the newest status; the activity, the newest first; the
 * newest lines of the log; other kinds whole.
 * @param {Record<string, any>} feeds @param {any} envelope
 */
export function withEnvelope(feeds, envelope) {
  const { kind, reset } = envelope;
  if (kind === "status") return { ...feeds, status: envelope };
  if (kind === "activity") return { ...feeds, activity: newestFirst(envelope.events, reset ? [] : feeds.activity) };
  if (kind === "log") return { ...feeds, log: reset ? envelope : { ...feeds.log, lines: [...feeds.log.lines, ...envelope.lines].slice(-MAX_LINES) } };
  return { ...feeds, [kind]: envelope[kind] };
}

const newestFirst = (events, older) => [...events, ...older].slice(0, MAX_EVENTS);
