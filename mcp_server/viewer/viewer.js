// What is shown: the result the host passes on, whatever tool it is of.
const view = document.getElementById("view");
const WAIT_SECONDS = 20;
let given = {};

async function finished(result, place) {
  let latest = result;
  while (latest.structuredContent?.status === "running") {
    const { job_id, progress } = latest.structuredContent;
    tell(place, progress ?? "Working …");
    if (!host.tools) throw new Error(`The work goes on; ask for job ${job_id}.`);
    latest = await callTool("get_job", { job_id, wait_seconds: WAIT_SECONDS });
  }
  return latest;
}

async function show(result) {
  const status = document.getElementById("waiting") ?? view.appendChild(element("p", { className: "quiet" }));
  if (result.isError) return tell(status, textOf(result), true);
  try {
    const { structuredContent: data, content = [] } = await finished(result, status);
    status.remove();
    if (data?.images) showPictures(data, content, given);
    else if (data?.sample_rate) await showSound(data, content, given);
    else if (data) showWords(data);
    for (const warning of data?.warnings ?? []) view.append(element("p", { className: "quiet", textContent: warning }));
  } catch (error) {
    tell(status, error.message, true);
  }
}

function dress({ theme, styles }) {
  if (theme) document.documentElement.dataset.theme = theme;
  for (const [name, value] of Object.entries(styles?.variables ?? {})) {
    if (name.startsWith("--") && value) document.documentElement.style.setProperty(name, value);
  }
}

function tellSize() {
  const { width, height } = document.documentElement.getBoundingClientRect();
  post({ method: "ui/notifications/size-changed", params: { width: Math.ceil(width), height: Math.ceil(height) } });
}

async function open() {
  const greeting = await request("ui/initialize", {
    appInfo: { name: "senses-viewer", title: "Senses", version: "1" },
    appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
    protocolVersion: PROTOCOL,
  });
  host.tools = Boolean(greeting.hostCapabilities?.serverTools);
  host.resources = Boolean(greeting.hostCapabilities?.serverResources);
  dress(greeting.hostContext ?? {});
  post({ method: "ui/notifications/initialized", params: {} });
  new ResizeObserver(tellSize).observe(document.documentElement);
}

on("ui/notifications/tool-input", (params) => { given = params.arguments ?? {}; });
on("ui/notifications/tool-result", show);
on("ui/notifications/tool-cancelled", () => show({ isError: true, content: [{ type: "text", text: "The call was cancelled." }] }));
on("ui/notifications/host-context-changed", dress);
open();
