// A client over the official TypeScript SDK: each line of its input is one call of a tool, each line of its output the
// result. A person who is asked gives the ANSWER of the environment. Usage: node typescript_client.mjs COMMAND ARGUMENT…
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const modules = createRequire(pathToFileURL(process.env.NODE_MODULES + "/"));
const load = (name) => import(pathToFileURL(modules.resolve(name)).href);
const { Client } = await load("@modelcontextprotocol/client");
const { StdioClientTransport } = await load("@modelcontextprotocol/client/stdio");

const client = new Client(
  { name: "typescript", version: "1" },
  { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: "auto" } },
);
client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: JSON.parse(process.env.ANSWER) }));
const [command, ...args] = process.argv.slice(2);
await client.connect(new StdioClientTransport({ command, args, env: process.env, cwd: process.cwd() }));
for await (const line of createInterface({ input: process.stdin })) {
  const { tool, arguments: given } = JSON.parse(line);
  const result = await client.callTool({ name: tool, arguments: given }, { timeout: 600_000 });
  process.stdout.write(JSON.stringify(result) + "\n");
}
await client.close();
