// OpenAI's SDK for JavaScript, in the version that PACKAGE names.
import assert from "node:assert/strict";
import { test } from "node:test";

import { BASE_URL, KEY, SCRIPTED_ANSWER, SPOKEN, collect, dataUrl, file } from "../given.mjs";

const { default: OpenAI, toFile } = await import(process.env.PACKAGE);
const client = new OpenAI({ baseURL: BASE_URL, apiKey: KEY, maxRetries: 0 });
const messages = [{ role: "user", content: "Hello" }];
const recording = () => toFile(file("recording.wav"), "recording.wav");
const draw = { model: "dall-e-3", prompt: "a red circle", size: "64x64", seed: 1, steps: 2 };
const isPng = (b64) => Buffer.from(b64, "base64").subarray(1, 4).toString() === "PNG";
const schema = {
  type: "object",
  properties: { kind: { enum: ["circle", "square"] } },
  required: ["kind"],
  additionalProperties: false,
};

test("models are listed and retrieved", async () => {
  const names = (await collect(client.models.list())).map((model) => model.id);
  assert.ok(names.includes("vlm-starter") && names.includes("scripted"));
  assert.equal((await client.models.retrieve("whisper-1")).id, "whisper-1");
});

test("a chat is answered", async () => {
  const answer = await client.chat.completions.create({ model: "scripted", messages });
  assert.equal(answer.choices[0].message.content, SCRIPTED_ANSWER);
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  assert.ok(answer._request_id);
});

test("a chat is streamed, with usage only when it is asked for", async () => {
  const ask = { model: "scripted", messages, stream: true };
  const plain = await collect(await client.chat.completions.create(ask));
  const counted = await collect(
    await client.chat.completions.create({ ...ask, stream_options: { include_usage: true } }),
  );
  assert.equal(plain.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), SCRIPTED_ANSWER);
  assert.ok(plain.every((chunk) => !chunk.usage));
  assert.deepEqual(counted.at(-1).choices, []);
  assert.ok(counted.at(-1).usage.completion_tokens > 0);
});

test("the streaming helper of the SDK ends with the whole answer", async () => {
  const stream = client.chat.completions.stream({ model: "scripted", messages });
  assert.equal(await stream.finalContent(), SCRIPTED_ANSWER);
});

test("a picture is described", async () => {
  const content = [
    { type: "text", text: "Describe this image." },
    { type: "image_url", image_url: { url: dataUrl("circle.png") } },
  ];
  const answer = await client.chat.completions.create({
    model: "gpt-4o",
    temperature: 0,
    messages: [{ role: "user", content }],
  });
  assert.match(answer.choices[0].message.content, /blue circle/i);
});

test("an answer matches its schema", async () => {
  const response_format = { type: "json_schema", json_schema: { name: "shape", strict: true, schema } };
  const answer = await client.chat.completions.parse({ model: "random", messages, response_format, max_tokens: 60 });
  assert.ok(["circle", "square"].includes(answer.choices[0].message.parsed.kind));
});

test("a seed repeats an answer, and several answers differ", async () => {
  const ask = { model: "random", messages, max_tokens: 8, seed: 5 };
  const [one, two] = [await client.chat.completions.create(ask), await client.chat.completions.create(ask)];
  const several = await client.chat.completions.create({ ...ask, n: 2 });
  assert.equal(one.choices[0].message.content, two.choices[0].message.content);
  assert.notEqual(several.choices[0].message.content, several.choices[1].message.content);
});

test("a stop text never leaks", async () => {
  const stop = SCRIPTED_ANSWER.slice(9, 26);
  const chunks = await collect(await client.chat.completions.create({ model: "scripted", messages, stop, stream: true }));
  assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), SCRIPTED_ANSWER.slice(0, 9));
});

test("logprobs are given", async () => {
  const ask = { model: "random", messages, max_tokens: 3, temperature: 0, logprobs: true, top_logprobs: 2 };
  const tokens = (await client.chat.completions.create(ask)).choices[0].logprobs.content;
  assert.equal(tokens.length, 3);
  assert.ok(tokens.every((token) => token.logprob <= 0 && token.top_logprobs.length === 2));
});

test("a text is continued, whole and streamed", async () => {
  const ask = { model: "scripted", prompt: "\n\n", max_tokens: 4 };
  const plain = await client.completions.create(ask);
  const chunks = await collect(await client.completions.create({ ...ask, stream: true }));
  assert.ok(SCRIPTED_ANSWER.startsWith(plain.choices[0].text));
  assert.equal(chunks.map((chunk) => chunk.choices[0].text).join(""), plain.choices[0].text);
});

test("a response is given, whole and streamed", async () => {
  const ask = { model: "scripted", input: "Hello", instructions: "Be brief." };
  const response = await client.responses.create(ask);
  const events = await collect(await client.responses.create({ ...ask, stream: true }));
  assert.equal(response.output_text, SCRIPTED_ANSWER);
  assert.deepEqual(
    events.map((event) => event.sequence_number),
    events.map((_, index) => index),
  );
  assert.equal(events.at(-1).type, "response.completed");
});

test("a picture is drawn in three formats", async () => {
  for (const [output_format, begins] of [["png", "\x89PNG"], ["jpeg", "\xff\xd8"], ["webp", "RIFF"]]) {
    const drawn = await client.images.generate({ ...draw, output_format });
    assert.ok(Buffer.from(drawn.data[0].b64_json, "base64").toString("latin1").startsWith(begins), output_format);
  }
});

test("several pictures are fetched by their addresses", async () => {
  const drawn = await client.images.generate({ ...draw, n: 2, response_format: "url" });
  const answers = await Promise.all(drawn.data.map((image) => fetch(image.url)));
  assert.deepEqual(
    answers.map((answer) => answer.headers.get("content-type")),
    ["image/png", "image/png"],
  );
});

test("a picture is streamed with previews", async () => {
  const events = await collect(await client.images.generate({ ...draw, stream: true, partial_images: 1 }));
  assert.deepEqual(
    events.map((event) => event.type),
    ["image_generation.partial_image", "image_generation.completed"],
  );
  assert.ok(events.every((event) => isPng(event.b64_json)));
});

test("a recording is written down in all five formats", async () => {
  for (const response_format of ["json", "text", "srt", "vtt", "verbose_json"]) {
    const heard = await client.audio.transcriptions.create({
      model: "whisper-1",
      file: await recording(),
      response_format,
    });
    assert.ok((heard.text ?? heard).includes(SPOKEN.slice(0, 12)), response_format);
  }
});

test("words and segments have times", async () => {
  const heard = await client.audio.transcriptions.create({
    model: "whisper-1",
    file: await recording(),
    response_format: "verbose_json",
    timestamp_granularities: ["word", "segment"],
  });
  assert.equal(heard.words.map((word) => word.word).join(" "), SPOKEN);
  assert.ok(heard.segments[0].end > heard.segments[0].start);
});

test("a transcript is streamed", async () => {
  const ask = { model: "whisper-1", file: await recording(), stream: true };
  const events = await collect(await client.audio.transcriptions.create(ask));
  assert.equal(events.at(-1).type, "transcript.text.done");
  assert.equal(events.at(-1).text, SPOKEN);
});

test("a recording is translated", async () => {
  const tone = await toFile(file("foreign.wav"), "foreign.wav");
  const translated = await client.audio.translations.create({ model: "listener", file: tone });
  assert.equal(translated.text, "The weather is nice today");
});

test("a text is spoken in six formats", async () => {
  const begins = { mp3: /^(ID3|\xff[\xfb\xf3])/, opus: /^OggS/, aac: /^\xff[\xf1\xf9]/, flac: /^fLaC/, wav: /^RIFF/ };
  for (const response_format of ["mp3", "opus", "aac", "flac", "wav", "pcm"]) {
    const ask = { model: "tts-1", voice: "alloy", input: "one two", speed: 1.5, response_format };
    const sound = Buffer.from(await (await client.audio.speech.create(ask)).arrayBuffer()).toString("latin1");
    assert.ok(sound.length > 1000 && (begins[response_format] ?? /^/).test(sound), response_format);
  }
});

test("speech is streamed as events", async () => {
  const ask = { model: "tts-1", voice: { id: "nova" }, input: "one", response_format: "pcm", stream_format: "sse" };
  const text = await (await client.audio.speech.create(ask)).text();
  const events = [...text.matchAll(/^data: (\{.*)$/gm)].map((match) => JSON.parse(match[1]));
  assert.equal(events[0].type, "speech.audio.delta");
  assert.equal(events.at(-1).type, "speech.audio.done");
});

test("errors are the exceptions of the SDK and are not tried again", async () => {
  const patient = new OpenAI({ baseURL: BASE_URL, apiKey: KEY, maxRetries: 2 });
  const asked = [];
  patient.fetch = (...request) => (asked.push(request), fetch(...request));
  for (const [call, kind, code] of [
    [() => patient.chat.completions.create({ model: "vlm-worst", messages }), OpenAI.NotFoundError, "model_not_found"],
    [() => patient.chat.completions.create({ model: "scripted", messages, n: 99 }), OpenAI.BadRequestError],
    [() => patient.images.generate({ ...draw, background: "transparent" }), OpenAI.BadRequestError],
    [() => patient.audio.speech.create({ model: "tts-1", voice: "nobody", input: "x" }), OpenAI.BadRequestError],
    [() => new OpenAI({ baseURL: BASE_URL, apiKey: "wrong", fetch: patient.fetch }).models.list(), OpenAI.AuthenticationError],
    [() => patient.moderations.create({ input: "x" }), OpenAI.NotFoundError, "unknown_url"],
  ]) {
    const before = asked.length;
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof kind, String(error));
      assert.ok(error.requestID && error.message && (!code || error.code === code));
      return true;
    });
    assert.equal(asked.length - before, 1);
  }
});
