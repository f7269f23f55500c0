// Requests to the server of this page: JSON and server-sent events. Where a key is needed, the browser sends the cookie of the log-in.
// @ts-check

/** An error envelope of the server. `status` is the HTTP status, `code` the word for programs. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message @param {string} code */
  constructor(status, message, code = "") {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Fetch. Throws ApiError if the status is not 2xx. @param {string} path @param {RequestInit} init */
export async function request(path, init = {}) {
  const response = await fetch(path, init);
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

