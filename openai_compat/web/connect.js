// How to connect clients: texts to copy.
// @ts-check
import { html, useState } from "./vendor/vendor.js";

const servers = JSON.stringify({ mcpServers: { senses: { command: "senses-mcp" } } }, null, 2);

function snippets(origin) {
  return {
    "Claude Code": ["In a terminal:", "claude mcp add senses -- senses-mcp"],
    Desktop: ["Claude Desktop → Settings → Developer → Edit Config:", servers],
    Cursor: ["In ~/.cursor/mcp.json:", servers],
    OpenAI: ["Any client of OpenAI's API, with any key:", `export OPENAI_BASE_URL=${origin}/v1\nexport OPENAI_API_KEY=senses`],
  };
}

export function Connect() {
  const all = snippets(location.origin);
  const [chosen, choose] = useState("Claude Code");
  const [advice, text] = all[chosen];
  return html`<section class="card" aria-labelledby="connect-title"><header><h2 id="connect-title">Connect</h2></header>
    <div class="tabs" role="tablist" aria-label="Client">${Object.keys(all).map((name) => html`<button key=${name} type="button" role="tab"
      aria-selected=${name === chosen} onClick=${() => choose(name)}>${name}</button>`)}</div>
    <p class="quiet">${advice}</p>
    <div class="snippet"><pre><code>${text}</code></pre><${Copy} text=${text} /></div>
    <p class="quiet"><small>MCP over HTTP: <code>${location.origin}/mcp</code></small></p></section>`;
}

function Copy({ text }) {
  const [copied, setCopied] = useState("");
  const copy = () => navigator.clipboard.writeText(text).then(() => setCopied(text), () => {});
  return html`<button type="button" onClick=${copy}>${copied === text ? "Copied" : "Copy"}</button>`;
}
