// The card of recent images and recordings, which can be deleted, one or all.
// @ts-check
import { request } from "./api.js";
import { Dialog } from "./dialog.js";
import { span } from "./format.js";
import { useReload } from "./reload.js";
import { html, useEffect, useState } from "./vendor/vendor.js";

const IDLE_MILLISECONDS = 60_000;
const remove = (path) => request(path, { method: "DELETE" });

/** @param {{activity: any[]}} props a new list loads the results again */
export function Recent({ activity }) {
  const [artifacts, setArtifacts] = useState([]);
  const [isAsking, setAsking] = useState(false);
  const [error, setError] = useState("");
  const load = () => request("api/artifacts").then((response) => response.json()).then((answer) => setArtifacts(answer.artifacts), () => {});
  const run = (path) => remove(path).then(() => setError(""), (failure) => setError(failure.message)).then(load).then(() => setAsking(false));
  useReload(load, activity, IDLE_MILLISECONDS);
  const ofType = (prefix) => artifacts.filter(({ type }) => type.startsWith(prefix));
  const list = (kind, results) => results.length > 0 && html`<ul class=${kind}>
    ${results.map((artifact) => html`<li key=${artifact.id}><${Result} artifact=${artifact} onDelete=${() => run(`api/artifacts/${artifact.id}`)} /></li>`)}</ul>`;
  return html`<section class="card recent" aria-labelledby="recent-title"><header><h2 id="recent-title">Recent results</h2>
      ${artifacts.length > 0 && html`<button type="button" onClick=${() => setAsking(true)}>Delete all</button>`}</header>
    ${error && html`<p class="error" role="alert">${error}</p>`}
    <div class="scroll" tabindex="0" role="group" aria-label="List of results">${!artifacts.length && html`<p class="muted">No results are stored.</p>`}
      ${list("images", ofType("image/"))}${list("recordings", ofType("audio/"))}</div>
    ${isAsking && html`<${Dialog} title="Delete all results?" onClose=${() => setAsking(false)}>
      <p>Every stored picture, recording and transcript is deleted, also those that are not listed here. Files that were saved elsewhere stay.</p>
      <footer><button type="button" onClick=${() => setAsking(false)}>Cancel</button>
        <button type="button" class="main" onClick=${() => run("api/artifacts")}>Delete all results</button></footer><//>`}</section>`;
}

function Result({ artifact, onDelete }) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    let objectUrl = "";
    // fetched rather than linked, because the request may need the API key
    request(artifact.url).then((response) => response.blob()).then((blob) => setUrl((objectUrl = URL.createObjectURL(blob))), () => {});
    return () => URL.revokeObjectURL(objectUrl);
  }, [artifact.url]);
  const age = `${span(Date.now() / 1000 - artifact.created)} ago`;
  const isImage = artifact.type.startsWith("image/");
  const button = html`<button type="button" aria-label="Delete ${isImage ? "image" : "recording"} created ${age}" title="Delete" onClick=${onDelete}>×</button>`;
  if (!url) return null;
  if (isImage) return html`<a href=${url} target="_blank"><img src=${url} alt="Image created ${age}" title=${age} loading="lazy" /></a>${button}`;
  return html`<figure><audio controls src=${url} aria-label="Recording created ${age}"></audio><figcaption class="muted">${age}</figcaption></figure>${button}`;
}
