// The card of recent images and recordings, if the server stores them.
// @ts-check
import { request } from "./api.js";
import { span } from "./format.js";
import { html, useEffect, useState } from "./vendor/vendor.js";

/** @param {{activity: any[]}} props a new list loads the results again */
export function Recent({ activity }) {
  const [artifacts, setArtifacts] = useState([]);
  useEffect(() => {
    let stale = false;
    request("api/artifacts").then((response) => response.json()).then(
      (answer) => stale || setArtifacts(answer.artifacts),
      () => {},
    );
    return () => { stale = true; };
  }, [activity]);
  if (!artifacts.length) return null;
  const ofType = (prefix) => artifacts.filter(({ type }) => type.startsWith(prefix));
  const list = (kind, results) => results.length > 0 && html`<ul class=${kind}>
    ${results.map((artifact) => html`<li key=${artifact.id}><${Result} artifact=${artifact} /></li>`)}</ul>`;
  return html`<section class="card recent" aria-labelledby="recent-title"><header><h2 id="recent-title">Recent results</h2></header>
    ${list("images", ofType("image/").slice(0, 8))}${list("recordings", ofType("audio/").slice(0, 3))}</section>`;
}

function Result({ artifact }) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    let objectUrl = "";
    // fetched rather than linked, because the request may need the API key
    request(artifact.url).then((response) => response.blob()).then((blob) => setUrl((objectUrl = URL.createObjectURL(blob))), () => {});
    return () => URL.revokeObjectURL(objectUrl);
  }, [artifact.url]);
  const age = `${span(Date.now() / 1000 - artifact.created)} ago`;
  if (!url) return null;
  if (artifact.type.startsWith("image/")) return html`<a href=${url} target="_blank"><img src=${url} alt="Image created ${age}" title=${age} loading="lazy" /></a>`;
  return html`<figure><audio controls src=${url} aria-label="Recording created ${age}"></audio><figcaption class="muted">${age}</figcaption></figure>`;
}
