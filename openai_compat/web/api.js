// Requests to the server of this page: JSON, server-sent events, and the API key if one is set.
// @ts-check

const KEY_ENTRY = "senses-key";

/** An error envelope of the server. `status` is the HTTP status, `code` the word for programs. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message @param {string} code */
  constructor(status, message, code = "") {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Store the API key in this browser. @param {string} key */
export function storeApiKey(key) {
  localStorage.setItem(KEY_ENTRY, key);
}

/** Return the API key that is stored in this browser; null without one. */
export const storedApiKey = () => localStorage.getItem(KEY_ENTRY);

/** Fetch with the API key. Throws ApiError if the status is not 2xx. @param {string} path @param {RequestInit} init */
export async function request(path, init = {}) {
  const headers = new Headers(init.headers);
  const key = storedApiKey();
  if (key) headers.set("authorization", `Bearer ${key}`);
  const response = await fetch(path, { ...init, headers });
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  throw new ApiError(response.status, body?.error?.message ?? `The server answered ${response.status}.`, body?.error?.code);
}

/** Send a POST request without a body. @param {string} path */
export async function command(path) {
  return (await request(path, { method: "POST" })).json();
}

/** Send a POST request with a JSON body. @param {string} path @param {object} body @param {AbortSignal} [signal] */
export function post(path, body, signal) {
  return request(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
}

/** Yield the parsed JSON of server-sent events. Throws ApiError for an error event. @param {Response} response */
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

