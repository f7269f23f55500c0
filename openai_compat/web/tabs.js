// A list of tabs: the arrow keys, Home and End move between them, and Tab leaves them.
// @ts-check
import { html } from "./vendor/vendor.js";

/** Keys → the index that they choose of `count` tabs. */
const MOVES = {
  ArrowLeft: (index, count) => (index - 1 + count) % count,
  ArrowRight: (index, count) => (index + 1) % count,
  Home: () => 0,
  End: (_, count) => count - 1,
};

/** @param {{label: string, names: string[], selected: string, panel: string, onSelect: (name: string) => void}} props `panel`: the id of what they show */
export function Tabs({ label, names, selected, panel, onSelect }) {
  const onKeyDown = (event) => {
    const move = MOVES[event.key];
    if (!move) return;
    event.preventDefault();
    const index = move(names.indexOf(selected), names.length);
    event.currentTarget.children[index].focus();
    onSelect(names[index]);
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} onKeyDown=${onKeyDown}>${names.map((name) => html`<button key=${name} type="button" role="tab"
    aria-controls=${panel} aria-selected=${name === selected} tabindex=${name === selected ? 0 : -1} onClick=${() => onSelect(name)}>${name}</button>`)}</div>`;
}
