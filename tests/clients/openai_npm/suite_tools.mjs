// Tool calls, kept responses, edits and embeddings.
import assert from "node:assert/strict";
import { test } from "node:test";

import { BASE_URL, KEY, SCRIPTED_ANSWER, collect, file } from "../given.mjs";

const { default: OpenAI, toFile } = await import(process.env.PACKAGE);
const client = new OpenAI({ baseURL: BASE_URL, apiKey: KEY, maxRetries: 0 });
const weather = {
  name: "weather",
  parameters: {
    type: "object",
    properties: { city: { enum: ["Oslo", "Rome"] } },
    required: ["city"],
    additionalProperties: false,
  },
};
const tools = [{ type: "function", function: weather }];
const named = { type: "function", function: { name: "weather" } };
const ask = { model: "agent", messages: [{ role: "user", content: "Weather?" }], tools, max_tokens: 100 };
const edit = async () => ({
  model: "painter",
  prompt: "a red circle",
  size: "64x64",
  image: await toFile(file("small.png"), "a.png", { type: "image/png" }),
});

test("a tool is called, whole and streamed, and its result is read", async () => {
  const { message, finish_reason } = (await client.chat.completions.create({ ...ask, tool_choice: named })).choices[0];
  const chunks = await collect(await client.chat.completions.create({ ...ask, tool_choice: named, stream: true }));
  const deltas = chunks.flatMap((chunk) => chunk.choices[0].delta.tool_calls ?? []);
  const told = { role: "tool", tool_call_id: message.tool_calls[0].id, content: "Sunny" };
  const next = await client.chat.completions.create({ ...ask, messages: [...ask.messages, message, told] });
  assert.equal(finish_reason, "tool_calls");
  assert.ok(["Oslo", "Rome"].includes(JSON.parse(message.tool_calls[0].function.arguments).city));
  assert.equal(deltas[0].function.name, "weather");
  assert.ok(JSON.parse(deltas.map((delta) => delta.function.arguments ?? "").join("")).city);
  assert.equal(next.choices[0].message.content, SCRIPTED_ANSWER);
});

test("the tool runner of the SDK runs a tool to the last answer", async () => {
  const asked = [];
  const run = client.chat.completions.runTools({
    ...ask,
    tool_choice: named,
    tools: [{ type: "function", function: { ...weather, parse: JSON.parse, function: (given) => (asked.push(given), "Sunny") } }],
  });
  await run.finalMessage();
  assert.ok(asked[0].city);
});

test("a response calls a tool and goes on from an earlier one", async () => {
  const flat = [{ type: "function", strict: true, ...weather }];
  const tool_choice = { type: "function", name: "weather" };
  const first = await client.responses.create({ model: "agent", input: "Weather?", tools: flat, tool_choice });
  const call = first.output.find((item) => item.type === "function_call");
  const input = [{ type: "function_call_output", call_id: call.call_id, output: "Sunny" }];
  const next = await client.responses.create({ model: "agent", input, tools: flat, previous_response_id: first.id });
  assert.ok(JSON.parse(call.arguments).city);
  assert.equal(next.output_text, SCRIPTED_ANSWER);
});

test("a picture is edited, whole and streamed", async () => {
  const whole = await client.images.edit(await edit());
  const events = await collect(await client.images.edit({ ...(await edit()), stream: true, partial_images: 1 }));
  assert.ok(whole.data[0].b64_json);
  assert.equal(events.at(-1).type, "image_edit.completed");
});

test("texts have embeddings", async () => {
  const answer = await client.embeddings.create({ model: "embedder", input: ["a red circle", "forty two"] });
  assert.equal(answer.data.length, 2);
  assert.ok(Math.abs(Math.hypot(...answer.data[0].embedding) - 1) < 1e-3);
});
