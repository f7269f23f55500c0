// Set-up texts of clients, to copy.
// @ts-check
import { request } from "./api.js";
import { Copy } from "./copy.js";
import { Tabs } from "./tabs.js";
import { html, useEffect, useState } from "./vendor/vendor.js";

const openai = () => ({
  name: "OpenAI",
  advice: "Any client of OpenAI's API (if no API key is set, any value works):",
  text: `export OPENAI_BASE_URL=${location.origin}/v1\nexport OPENAI_API_KEY=senses`,
});

/** Add where a text goes: JSON into a client's settings, a command into a terminal. @param {{name: string, text: string}} client */
function withAdvice({ name, text }) {
  if (!text.startsWith("{")) return { name, text, advice: "In a terminal:" };
  return { name, text: JSON.stringify(JSON.parse(text), null, 2), advice: "In the client's MCP configuration:" };
}

export function Connect() {
  const [clients, setClients] = useState([]);
  const [selectedName, setSelectedName] = useState("");
  useEffect(() => {
    request("api/clients").then((response) => response.json()).then((answer) => setClients(answer.clients), () => {});
  }, []);
  const all = [...clients.map(withAdvice), openai()];
  const selected = all.find(({ name }) => name === selectedName) ?? all[0];
  return html`<section class="card" aria-labelledby="connect-title"><header><h2 id="connect-title">Connect</h2></header>
    <${Tabs} label="Client" names=${all.map(({ name }) => name)} selected=${selected.name} panel="connect-panel" onSelect=${setSelectedName} />
    <div id="connect-panel" role="tabpanel" aria-label=${selected.name}><p class="muted">${selected.advice}</p>
      <div class="snippet"><pre tabindex="0"><code>${selected.text}</code></pre><${Copy} text=${selected.text} /></div></div>
    <p class="muted"><small>MCP over HTTP: <code>${location.origin}/mcp</code></small></p></section>`;
}
