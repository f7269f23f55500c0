// The connection to the daemon: what it sends, and a watchdog that connects again where nothing is heard.
// @ts-check
import { ApiError, events, request } from "./api.js";
import { messages } from "./socket.js";

export const SILENCE_SECONDS = 3;
const RETRY_MILLISECONDS = 1000;
/** Moments in which a computer that slept, or a tab in the background, may have missed something. */
const WAKING = ["visibilitychange", "online", "pageshow"];

/** @typedef {"connecting" | "live" | "lost" | "unauthorized"} Connection */

/**
 * Follow what the daemon sends. It sends at least one event a second: silence means that the connection is lost. Then
 * server-sent events and a WebSocket are tried in turn, since some proxies hold back the one or refuse the other.
 * @param {string} path of a stream of events, of both kinds
 * @param {(event: any) => void} onEvent
 * @param {(connection: Connection) => void} onConnection
 * @returns {() => void} stops following
 */
export function follow(path, onEvent, onConnection) {
  const stop = new AbortController();
  (async () => {
    for (let attempt = 0; !stop.signal.aborted; attempt += 1) {
      const stream = attempt % 2 ? messages : serverSent;
      const error = await listen((signal) => stream(path, signal), stop.signal, onEvent, onConnection);
      if (stop.signal.aborted) return;
      const isUnauthorized = error instanceof ApiError && error.status === 401;
      onConnection(isUnauthorized ? "unauthorized" : "lost");
      if (isUnauthorized) return;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS));
    }
  })();
  return () => stop.abort();
}

async function* serverSent(path, signal) {
  yield* events(await request(path, { signal }));
}

/** Listen until the stream ends, fails or is silent; return what ended it. */
async function listen(stream, stop, onEvent, onConnection) {
  const silence = new AbortController();
  const watchdog = watch(() => silence.abort(new Error("nothing was heard")));
  try {
    for await (const event of stream(AbortSignal.any([stop, silence.signal]))) {
      watchdog.heard();
      onConnection("live");
      onEvent(event);
    }
    return new Error("the stream ended");
  } catch (error) {
    return error;
  } finally {
    watchdog.end();
  }
}

/** Call `onSilence` once nothing was `heard` for some seconds of the wall clock, which also counts a closed lid. */
function watch(onSilence) {
  let heardAt = Date.now();
  const check = () => Date.now() - heardAt >= 1000 * SILENCE_SECONDS && onSilence();
  const timer = setInterval(check, 500);
  for (const name of WAKING) addEventListener(name, check);
  return {
    heard: () => { heardAt = Date.now(); },
    end: () => {
      clearInterval(timer);
      for (const name of WAKING) removeEventListener(name, check);
    },
  };
}
