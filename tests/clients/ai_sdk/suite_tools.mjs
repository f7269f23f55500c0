// Tools in loops, and embeddings.
import assert from "node:assert/strict";
import { test } from "node:test";

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import * as ai from "ai";
import { z } from "zod";

import { BASE_URL, KEY, SCRIPTED_ANSWER, collect } from "../given.mjs";

const openai = createOpenAI({ baseURL: BASE_URL, apiKey: KEY });
const compatible = createOpenAICompatible({ name: "senses", baseURL: BASE_URL, apiKey: KEY });
const MODELS = { compatible: compatible("agent"), chat: openai.chat("agent"), responses: openai("agent") };

function weather(asked) {
  const inputSchema = z.object({ city: z.enum(["Oslo", "Rome"]) });
  return { weather: ai.tool({ inputSchema, execute: async (given) => (asked.push(given.city), "Sunny") }) };
}

// the first step must call the tool, the second must not
const forced = (asked) => ({
  prompt: "Weather?",
  tools: weather(asked),
  maxRetries: 0,
  stopWhen: ai.stepCountIs(2),
  prepareStep: ({ stepNumber }) => ({
    toolChoice: stepNumber === 0 ? { type: "tool", toolName: "weather" } : "none",
  }),
});

test("a tool is called and its result is read, by chat and by responses", async () => {
  for (const [name, model] of Object.entries(MODELS)) {
    const asked = [];
    const { text, steps } = await ai.generateText({ model, ...forced(asked) });
    assert.deepEqual([steps.length, asked.length, text], [2, 1, SCRIPTED_ANSWER], name);
  }
});

test("a tool is called in a stream", async () => {
  for (const [name, model] of Object.entries(MODELS)) {
    const asked = [];
    const parts = await collect(ai.streamText({ model, ...forced(asked) }).fullStream);
    assert.equal(asked.length, 1, name);
    assert.ok(parts.some((part) => part.type === "tool-call") && parts.some((part) => part.type === "tool-result"));
  }
});

test("texts have embeddings", async () => {
  for (const model of [openai.embedding("embedder"), compatible.embeddingModel("embedder")]) {
    const { embeddings } = await ai.embedMany({ model, values: ["a red circle", "forty two"], maxRetries: 0 });
    assert.ok(Math.abs(Math.hypot(...embeddings[0]) - 1) < 1e-3);
  }
});
