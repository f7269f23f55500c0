// Talking to the server this page came from: JSON, server-sent events, and the API key where one is set.
// @ts-check

const KEY = "senses-key";

/** An answer that is an error envelope; `status` is the HTTP status. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Keep the key that the owner typed in, in this browser only. @param {string} key */
export function keepKey(key) {
  localStorage.setItem(KEY, key);
}

/** Fetch with the key; an answer that is no success is thrown. @param {string} path @param {RequestInit} init */
export async function request(path, init = {}) {
  const headers = new Headers(init.headers);
  const key = localStorage.getItem(KEY);
  if (key) headers.set("authorization", `Bearer ${key}`);
  const response = await fetch(path, { ...init, headers });
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  throw new ApiError(response.status, body?.error?.message ?? `The server answered ${response.status}.`);
}

/** Send a command of an operator. @param {string} path */
export async function command(path) {
  return (await request(path, { method: "POST" })).json();
}

/** Send JSON. @param {string} path @param {object} body @param {AbortSignal} [signal] */
export function post(path, body, signal) {
  return request(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
}

/** Read server-sent events as parsed JSON; an error event is thrown. @param {Response} response */
export async function* events(response) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
      if (!data || data === "[DONE]") continue;
      const payload = JSON.parse(data);
      if (payload.error?.message) throw new ApiError(200, payload.error.message);
      yield payload;
    }
  }
}

/**
 * Follow the status for as long as the page lives, connecting again whenever the stream ends.
 * @param {(status: object) => void} onStatus
 * @param {(state: "live" | "lost" | "locked") => void} onState
 * @returns {() => void} stops it
 */
export function follow(onStatus, onState) {
  const stop = new AbortController();
  (async () => {
    while (!stop.signal.aborted) {
      try {
        for await (const status of events(await request("api/events", { signal: stop.signal }))) {
          onState("live");
          onStatus(status);
        }
        throw new Error("the stream ended");
      } catch (error) {
        if (stop.signal.aborted) return;
        const locked = error instanceof ApiError && error.status === 401;
        onState(locked ? "locked" : "lost");
        if (locked) return;
      }
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  })();
  return () => stop.abort();
}
