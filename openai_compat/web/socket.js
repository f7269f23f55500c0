// What comes over a WebSocket, as an asynchronous iteration.
// @ts-check

/** Yield the parsed JSON of each message until the socket closes or `signal` is aborted. @param {string} path @param {AbortSignal} signal */
export async function* messages(path, signal) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  const waiting = [];
  let wake = () => {};
  const put = (message) => { waiting.push(message); wake(); };
  socket.addEventListener("message", ({ data }) => put(JSON.parse(data)));
  socket.addEventListener("close", () => put(null));
  signal.addEventListener("abort", () => put(null));
  try {
    for (;;) {
      while (!waiting.length) await new Promise((resolve) => { wake = resolve; });
      const message = waiting.shift();
      if (message === null) return;
      yield message;
    }
  } finally {
    socket.close();
  }
}
