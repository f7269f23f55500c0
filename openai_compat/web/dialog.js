// A dialog over the page: Escape closes it, and the focus goes back to where it was.
// @ts-check
import { html, useEffect, useRef } from "./vendor/vendor.js";

/** @param {{title: string, onClose: () => void, children: any}} props `onClose` takes it off the page */
export function Dialog({ title, onClose, children }) {
  const dialog = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    return () => before?.focus();
  }, []);
  return html`<dialog ref=${dialog} class="card" aria-labelledby="dialog-title" onClose=${onClose}><h2 id="dialog-title">${title}</h2>${children}</dialog>`;
}
