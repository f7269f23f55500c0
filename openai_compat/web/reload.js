// Loading again what the stream does not carry: soon after something happened, and every so often.
// @ts-check
import { useEffect, useRef } from "./vendor/vendor.js";

const BUSY_MILLISECONDS = 2000;

/**
 * Call `load` now, soon after `trigger` changed, and every `idleMilliseconds`; not while nobody sees the page.
 * Changes that come fast together are one. @param {() => void} load @param {unknown} trigger @param {number} idleMilliseconds
 */
export function useReload(load, trigger, idleMilliseconds) {
  const latest = useRef(load);
  const loadedAt = useRef(0);
  latest.current = load;
  const run = () => {
    if (document.hidden) return;
    loadedAt.current = Date.now();
    latest.current();
  };
  useEffect(() => {
    const timer = setTimeout(run, Math.max(0, loadedAt.current + BUSY_MILLISECONDS - Date.now()));
    return () => clearTimeout(timer);
  }, [trigger]);
  useEffect(() => {
    const timer = setInterval(run, idleMilliseconds);
    document.addEventListener("visibilitychange", run);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", run);
    };
  }, [idleMilliseconds]);
}
