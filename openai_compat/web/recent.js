// Pictures and recordings made lately, where the server keeps them.
// @ts-check
import { request } from "./api.js";
import { span } from "./format.js";
import { html, useEffect, useState } from "./vendor/vendor.js";

/** @param {{stamp: number}} props `stamp` changes whenever there may be something new */
export function Recent({ stamp }) {
  const [artifacts, setArtifacts] = useState([]);
  useEffect(() => {
    let stale = false;
    request("api/artifacts").then((response) => response.json()).then(
      (answer) => stale || setArtifacts(answer.artifacts),
      () => {},
    );
    return () => { stale = true; };
  }, [stamp]);
  if (!artifacts.length) return null;
  const ofType = (start) => artifacts.filter(({ type }) => type.startsWith(start));
  const list = (kind, shown) => shown.length > 0 && html`<ul class=${kind}>
    ${shown.map((artifact) => html`<li key=${artifact.id}><${Shown} artifact=${artifact} /></li>`)}</ul>`;
  return html`<section class="card recent" aria-labelledby="recent-title"><header><h2 id="recent-title">Lately</h2></header>
    ${list("pictures", ofType("image/").slice(0, 8))}${list("recordings", ofType("audio/").slice(0, 3))}</section>`;
}

function Shown({ artifact }) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    let made = "";
    request(artifact.url).then((response) => response.blob()).then((blob) => setUrl((made = URL.createObjectURL(blob))), () => {});
    return () => URL.revokeObjectURL(made);
  }, [artifact.url]);
  const age = `${span(Date.now() / 1000 - artifact.created)} ago`;
  if (!url) return null;
  if (artifact.type.startsWith("image/")) return html`<a href=${url} target="_blank"><img src=${url} alt="Picture made ${age}" title=${age} loading="lazy" /></a>`;
  return html`<figure><audio controls src=${url} aria-label="Recording made ${age}"></audio><figcaption class="quiet">${age}</figcaption></figure>`;
}
