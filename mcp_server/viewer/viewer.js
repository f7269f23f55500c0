// Show the result of a tool call that the host sends, by its kind.
const view = document.getElementById("view");
const WAIT_SECONDS = 20;
let toolArguments = {};

// Wait for a job that still runs, and show its progress in a status line.
async function finished(result, line) {
  let latest = result;
  while (latest.structuredContent?.status === "running") {
    const { job_id, progress } = latest.structuredContent;
    setStatus(line, progress ?? "Working …");
    if (!host.tools) throw new Error(`The job still runs. Ask the assistant for the result of job ${job_id}.`);
    latest = await callTool("get_job", { job_id, wait_seconds: WAIT_SECONDS });
  }
  return latest;
}

async function show(result) {
  const status = document.getElementById("waiting") ?? view.appendChild(element("p", { className: "quiet" }));
  if (result.isError) return setStatus(status, textOf(result), true);
  try {
    const { structuredContent: data, content = [] } = await finished(result, status);
    status.remove();
    if (data?.images) showPictures(data, content, toolArguments);
    else if (data?.sample_rate) await showSound(data, content, toolArguments);
    else if (data) showTranscript(data);
    for (const warning of [data?.notice ?? [], data?.warnings ?? []].flat()) view.append(element("p", { className: "quiet", textContent: warning }));
  } catch (error) {
    setStatus(status, error.message, true);
  }
}

function applyHostTheme({ theme, styles }) {
  if (theme) document.documentElement.dataset.theme = theme;
  for (const [name, value] of Object.entries(styles?.variables ?? {})) {
    if (name.startsWith("--") && value) document.documentElement.style.setProperty(name, value);
  }
}

function reportSize() {
  const { width, height } = document.documentElement.getBoundingClientRect();
  post({ method: "ui/notifications/size-changed", params: { width: Math.ceil(width), height: Math.ceil(height) } });
}

async function open() {
  const initialized = await request("ui/initialize", {
    appInfo: { name: "senses-viewer", title: "Senses", version: "1" },
    appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
    protocolVersion: PROTOCOL,
  });
  host.tools = Boolean(initialized.hostCapabilities?.serverTools);
  host.resources = Boolean(initialized.hostCapabilities?.serverResources);
  applyHostTheme(initialized.hostContext ?? {});
  post({ method: "ui/notifications/initialized", params: {} });
  new ResizeObserver(reportSize).observe(document.documentElement);
}

on("ui/notifications/tool-input", (params) => { toolArguments = params.arguments ?? {}; });
on("ui/notifications/tool-result", show);
on("ui/notifications/tool-cancelled", () => show({ isError: true, content: [{ type: "text", text: "The call was cancelled." }] }));
on("ui/notifications/host-context-changed", applyHostTheme);
open();
