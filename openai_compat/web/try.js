// Try it: each sense once, through the same API that clients use.
// @ts-check
import { events, post, request } from "./api.js";
import { html, useEffect, useRef, useState } from "./vendor/vendor.js";

const SENSES = { Describe, Draw, Transcribe, Speak };

/** @param {{voices: string[]}} props voices of the default voice model */
export function Try({ voices }) {
  const [chosen, choose] = useState("Describe");
  return html`<section class="card try" aria-labelledby="try-title"><header><h2 id="try-title">Try it</h2></header>
    <div class="tabs" role="tablist" aria-label="Sense">${Object.keys(SENSES).map((name) => html`<button key=${name} type="button" role="tab"
      aria-selected=${name === chosen} onClick=${() => choose(name)}>${name}</button>`)}</div>
    <${SENSES[chosen]} key=${chosen} voices=${voices} /></section>`;
}

/** Run one thing at a time: the latest wins, and leaving the panel ends it. */
function useRun() {
  const [state, setState] = useState({ busy: false, error: "", result: null, warnings: [] });
  const running = useRef(/** @type {AbortController | null} */ (null));
  useEffect(() => () => running.current?.abort(), []);
  const run = async (work) => {
    running.current?.abort();
    const control = (running.current = new AbortController());
    const show = (result, warnings = []) => control.signal.aborted || setState({ busy: true, error: "", result, warnings });
    show(null);
    try {
      await work(show, control.signal);
      if (!control.signal.aborted) setState((state) => ({ ...state, busy: false }));
    } catch (error) {
      if (!control.signal.aborted) setState({ busy: false, error: error.message, result: null, warnings: [] });
    }
  };
  return [state, run];
}

function Outcome({ state, children }) {
  return html`<div class="outcome" aria-live="polite" aria-busy=${state.busy}>
    ${state.error && html`<p class="trouble" role="alert">${state.error}</p>`}
    ${children}${state.warnings.map((warning) => html`<p key=${warning} class="quiet" role="note">${warning}</p>`)}
    ${state.busy && !state.result && html`<p class="quiet working">Working…</p>`}</div>`;
}

/** A place to drop a file on, or to choose one. */
function Drop({ accept, label, onFile, children }) {
  const [over, setOver] = useState(false);
  const take = (files) => files?.[0] && onFile(files[0]);
  return html`<label class="drop" data-over=${over}
    onDragOver=${(event) => { event.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)}
    onDrop=${(event) => { event.preventDefault(); setOver(false); take(event.dataTransfer.files); }}>
    <input type="file" accept=${accept} aria-label=${label} onChange=${(event) => take(event.target.files)} />
    ${children || html`<span>${label}</span>`}</label>`;
}

const dataUrl = (file) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result);
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(file);
});

function Describe() {
  const [question, setQuestion] = useState("What is in this picture?");
  const [picture, setPicture] = useState("");
  const [state, run] = useRun();
  const ask = (url) => run(async (show, signal) => {
    const content = [{ type: "text", text: question }, { type: "image_url", image_url: { url } }];
    let text = "";
    for await (const chunk of events(await post("v1/chat/completions", { stream: true, messages: [{ role: "user", content }] }, signal))) {
      text += chunk.choices[0]?.delta.content ?? "";
      show(text, chunk.senses?.warnings);
    }
  });
  const take = async (file) => {
    const url = await dataUrl(file);
    setPicture(url);
    ask(url);
  };
  return html`<${Drop} accept="image/*" label="Drop a picture here, or choose one" onFile=${take}>
      ${picture && html`<img src=${picture} alt="The picture to describe" />`}<//>
    <form onSubmit=${(event) => { event.preventDefault(); picture && ask(picture); }}>
      <input aria-label="Question" value=${question} onInput=${(event) => setQuestion(event.target.value)} />
      <button type="submit" class="main" disabled=${!picture}>Ask</button></form>
    <${Outcome} state=${state}>${state.result && html`<p class="answer">${state.result}</p>`}<//>`;
}

function Draw() {
  const [prompt, setPrompt] = useState("a red circle on a white background");
  const [state, run] = useRun();
  const draw = () => run(async (show, signal) => {
    for await (const event of events(await post("v1/images/generations", { prompt, stream: true, partial_images: 2 }, signal))) {
      show(`data:image/png;base64,${event.b64_json}`, event.senses?.warnings);
    }
  });
  return html`<form onSubmit=${(event) => { event.preventDefault(); draw(); }}>
      <input aria-label="What to draw" value=${prompt} onInput=${(event) => setPrompt(event.target.value)} />
      <button type="submit" class="main" disabled=${!prompt.trim()}>Draw</button></form>
    <${Outcome} state=${state}>${state.result && html`<img src=${state.result} alt=${prompt} />`}<//>`;
}

function Transcribe() {
  const [state, run] = useRun();
  const take = (file) => run(async (show, signal) => {
    const body = new FormData();
    body.append("file", file);
    body.append("stream", "true");
    let text = "";
    for await (const event of events(await request("v1/audio/transcriptions", { method: "POST", body, signal }))) {
      text = event.type === "transcript.text.done" ? event.text : text + event.delta;
      show(text || "Nothing was said.", event.senses?.warnings);
    }
  });
  return html`<${Drop} accept="audio/*,video/*" label="Drop a recording here, or choose one" onFile=${take} />
    <${Outcome} state=${state}>${state.result && html`<p class="answer">${state.result}</p>`}<//>`;
}

function Speak({ voices }) {
  const [text, setText] = useState("A red circle on a white background.");
  const [voice, setVoice] = useState("");
  const [state, run] = useRun();
  useEffect(() => () => state.result && URL.revokeObjectURL(state.result), [state.result]);
  const speak = () => run(async (show, signal) => {
    const response = await post("v1/audio/speech", { input: text, voice, response_format: "mp3" }, signal);
    show(URL.createObjectURL(await response.blob()), JSON.parse(response.headers.get("x-senses-warnings") ?? "[]"));
  });
  return html`<form onSubmit=${(event) => { event.preventDefault(); speak(); }}>
      <input class="long" aria-label="What to say" value=${text} onInput=${(event) => setText(event.target.value)} />
      ${voices.length > 1 && html`<select aria-label="Voice" value=${voice} onChange=${(event) => setVoice(event.target.value)}>
        <option value="">any voice</option>${voices.map((name) => html`<option key=${name}>${name}</option>`)}</select>`}
      <button type="submit" class="main" disabled=${!text.trim()}>Speak</button></form>
    <${Outcome} state=${state}>${state.result && html`<audio controls autoplay src=${state.result} aria-label="What was said"></audio>`}<//>`;
}
