// The history of the last hour and day, loaded again when something happened.
// @ts-check
import { request } from "./api.js";
import { useEffect, useState } from "./vendor/vendor.js";

const BUSY_MILLISECONDS = 2000;
const IDLE_MILLISECONDS = { hour: 20_000, day: 120_000 };

/** Return the histories that are loaded: `hour`, and `day` once it was asked for. @param {number} changes a new number tells that something happened */
export function useHistory(changes) {
  const [isDayWanted, wantDay] = useState(false);
  return {
    hour: useRange("hour", true, changes),
    day: useRange("day", isDayWanted, 0),
    wantDay: () => wantDay(true),
  };
}

function useRange(range, isWanted, changes) {
  const [history, setHistory] = useState(null);
  const [loadedAt, setLoadedAt] = useState(0);
  const load = () => request(`api/history?range=${range}`).then((response) => response.json()).then(setHistory, () => {})
    .then(() => setLoadedAt(Date.now()));
  useEffect(() => {
    if (!isWanted) return undefined;
    // soon after a change, but not for each one of many
    const timer = setTimeout(load, Math.max(0, loadedAt + BUSY_MILLISECONDS - Date.now()));
    return () => clearTimeout(timer);
  }, [range, isWanted, changes]);
  useEffect(() => {
    if (!isWanted) return undefined;
    const timer = setInterval(() => document.hidden || load(), IDLE_MILLISECONDS[range]);
    return () => clearInterval(timer);
  }, [range, isWanted]);
  return history;
}
