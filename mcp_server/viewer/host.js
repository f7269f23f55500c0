// The connection to the host: JSON-RPC over postMessage (MCP Apps, revision 2026-01-26).
const PROTOCOL = "2026-01-26";
const pendingRequests = new Map();
const listeners = new Map();
const host = { tools: false, resources: false };
let lastId = 0;

function post(message) {
  parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
}

function request(method, params) {
  return new Promise((resolve, reject) => {
    lastId += 1;
    pendingRequests.set(lastId, { resolve, reject });
    post({ id: lastId, method, params });
  });
}

function on(method, listener) {
  listeners.set(method, listener);
}

async function callTool(name, args) {
  const result = await request("tools/call", { name, arguments: args });
  if (result.isError) throw new Error(textOf(result) || `${name} failed.`);
  return result;
}

async function readBase64(uri) {
  const { contents } = await request("resources/read", { uri });
  if (!contents?.[0]?.blob) throw new Error(`${uri} holds no file.`);
  return contents[0].blob;
}

function textOf(result) {
  return (result.content ?? []).filter((block) => block.type === "text").map((block) => block.text).join("\n");
}

function answerHost({ id, method }) {
  if (method === "ping" || method === "ui/resource-teardown") post({ id, result: {} });
  else post({ id, error: { code: -32601, message: `The Senses viewer does not know ${method}.` } });
}

addEventListener("message", ({ source, data }) => {
  if (source !== parent || data?.jsonrpc !== "2.0") return;
  if (data.method === undefined) {
    const pending = pendingRequests.get(data.id);
    pendingRequests.delete(data.id);
    if (data.error) pending?.reject(new Error(data.error.message ?? "The host refused the request."));
    else pending?.resolve(data.result ?? {});
  } else if (data.id !== undefined) answerHost(data);
  else listeners.get(data.method)?.(data.params ?? {});
});
