// The button that copies the text before it. Without a clipboard, as over plain HTTP from another machine, it selects the text.
// @ts-check
import { html, useState } from "./vendor/vendor.js";

/** @param {{text: string}} props the element before the button shows the same text */
export function Copy({ text }) {
  const [done, setDone] = useState({ text: "", label: "" });
  const copy = async (event) => {
    const shown = event.currentTarget.previousElementSibling;
    try {
      await navigator.clipboard.writeText(text);
      setDone({ text, label: "Copied" });
    } catch {
      getSelection()?.selectAllChildren(shown);
      setDone({ text, label: /Mac|iPhone|iPad/.test(navigator.userAgent) ? "Selected: press ⌘C" : "Selected: press Ctrl+C" });
    }
  };
  return html`<button type="button" onClick=${copy}>${done.text === text ? done.label : "Copy"}</button>`;
}
