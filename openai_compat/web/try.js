// The card that tries each task, with the same API that clients use.
// @ts-check
import { events, post, request } from "./api.js";
import { html, useEffect, useRef, useState } from "./vendor/vendor.js";

const PANELS = { Describe, Read, Draw, Transcribe, Speak };

/** @param {{voices: string[]}} props voices of the default speech model */
export function Try({ voices }) {
  const [selected, setSelected] = useState("Describe");
  return html`<section class="card try" aria-labelledby="try-title"><header><h2 id="try-title">Try it</h2></header>
    <div class="tabs" role="tablist" aria-label="Task">${Object.keys(PANELS).map((name) => html`<button key=${name} type="button" role="tab"
      aria-selected=${name === selected} onClick=${() => setSelected(name)}>${name}</button>`)}</div>
    <${PANELS[selected]} key=${selected} voices=${voices} /></section>`;
}

/** Return the state of a run and a function that starts one. A new run or another panel cancels the previous run. */
function useRun() {
  const [state, setState] = useState({ busy: false, error: "", result: null, warnings: [] });
  const running = useRef(/** @type {AbortController | null} */ (null));
  useEffect(() => () => running.current?.abort(), []);
  const run = async (task) => {
    running.current?.abort();
    const controller = (running.current = new AbortController());
    const { signal } = controller;
    const show = (result, warnings = []) => signal.aborted || setState({ busy: true, error: "", result, warnings });
    show(null);
    try {
      await task(show, signal);
      if (!signal.aborted) setState((state) => ({ ...state, busy: false }));
    } catch (error) {
      if (!signal.aborted) setState({ busy: false, error: error.message, result: null, warnings: [] });
    }
  };
  return [state, run];
}

function Outcome({ state, children }) {
  return html`<div class="outcome" aria-live="polite" aria-busy=${state.busy}>
    ${state.error && html`<p class="error" role="alert">${state.error}</p>`}
    ${children}${state.warnings.map((warning) => html`<p key=${warning} class="muted" role="note">${warning}</p>`)}
    ${state.busy && !state.result && html`<p class="muted pending">Working…</p>`}</div>`;
}

/** An area to drop a file on or to choose one. */
function DropArea({ accept, label, onFile, children }) {
  const [over, setOver] = useState(false);
  const onFiles = (files) => files?.[0] && onFile(files[0]);
  return html`<label class="drop" data-over=${over}
    onDragOver=${(event) => { event.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)}
    onDrop=${(event) => { event.preventDefault(); setOver(false); onFiles(event.dataTransfer.files); }}>
    <input type="file" accept=${accept} aria-label=${label} onChange=${(event) => onFiles(event.target.files)} />
    ${children || html`<span>${label}</span>`}</label>`;
}

const dataUrl = (file) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result);
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(file);
});

const imagePart = (url) => ({ type: "image_url", image_url: { url } });

/** Stream a chat with one message, and show its text so far and, at the end, the lines that a model read. */
async function chat(body, content, show, signal) {
  let text = "";
  const response = await post("v1/chat/completions", { ...body, temperature: 0, stream: true, messages: [{ role: "user", content }] }, signal);
  for await (const chunk of events(response)) {
    text += chunk.choices[0]?.delta.content ?? "";
    if (text || chunk.senses) show({ text, lines: chunk.senses?.lines ?? [] }, chunk.senses?.warnings);
  }
}

function Describe() {
  const [question, setQuestion] = useState("What is in this image?");
  const [image, setImage] = useState("");
  const [state, run] = useRun();
  const ask = (url) => run((show, signal) => chat({}, [{ type: "text", text: question }, imagePart(url)], show, signal));
  const onFile = async (file) => {
    const url = await dataUrl(file);
    setImage(url);
    ask(url);
  };
  return html`<${DropArea} accept="image/*" label="Drop an image or choose one" onFile=${onFile}>
      ${image && html`<img src=${image} alt="Image to describe" />`}<//>
    <form onSubmit=${(event) => { event.preventDefault(); image && ask(image); }}>
      <input aria-label="Question" value=${question} onInput=${(event) => setQuestion(event.target.value)} />
      <button type="submit" class="main" disabled=${!image}>Ask</button></form>
    <${Outcome} state=${state}>${state.result && html`<p class="answer">${state.result.text}</p>`}<//>`;
}

/** The text of an image, with the box of each line over it. */
function Read() {
  const [image, setImage] = useState("");
  const [size, setSize] = useState([1, 1]);
  const [state, run] = useRun();
  const onFile = async (file) => {
    const url = await dataUrl(file);
    setImage(url);
    run((show, signal) => chat({ model: "ocr-fast" }, [imagePart(url)], show, signal));
  };
  const onLoad = ({ target }) => setSize([target.naturalWidth, target.naturalHeight]);
  const lines = state.result?.lines ?? [];
  return html`<${DropArea} accept="image/*" label="Drop an image with text or choose one" onFile=${onFile}>
      ${image && html`<span class="boxed"><img src=${image} alt="Image to read" onLoad=${onLoad} />
        <svg viewBox=${`0 0 ${size.join(" ")}`} aria-label="Lines of text">${lines.map(({ text, box: [x, y, width, height] }) => html`<rect
          key=${`${x} ${y}`} x=${x} y=${y} width=${width} height=${height}><title>${text}</title></rect>`)}</svg></span>`}<//>
    <${Outcome} state=${state}>${state.result && html`<p class="answer">${state.result.text || "No text found."}</p>`}<//>`;
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
      <input aria-label="Prompt" value=${prompt} onInput=${(event) => setPrompt(event.target.value)} />
      <button type="submit" class="main" disabled=${!prompt.trim()}>Draw</button></form>
    <${Outcome} state=${state}>${state.result && html`<img src=${state.result} alt=${prompt} />`}<//>`;
}

function Transcribe() {
  const [state, run] = useRun();
  const onFile = (file) => run(async (show, signal) => {
    const body = new FormData();
    body.append("file", file);
    body.append("stream", "true");
    let text = "";
    for await (const event of events(await request("v1/audio/transcriptions", { method: "POST", body, signal }))) {
      text = event.type === "transcript.text.done" ? event.text : text + event.delta;
      show(text || "No speech detected.", event.senses?.warnings);
    }
  });
  return html`<${DropArea} accept="audio/*,video/*" label="Drop a recording or choose one" onFile=${onFile} />
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
      <input class="long" aria-label="Text to speak" value=${text} onInput=${(event) => setText(event.target.value)} />
      ${voices.length > 1 && html`<select aria-label="Voice" value=${voice} onChange=${(event) => setVoice(event.target.value)}>
        <option value="">default voice</option>${voices.map((name) => html`<option key=${name}>${name}</option>`)}</select>`}
      <button type="submit" class="main" disabled=${!text.trim()}>Speak</button></form>
    <${Outcome} state=${state}>${state.result && html`<audio controls autoplay src=${state.result} aria-label="Generated speech"></audio>`}<//>`;
}
