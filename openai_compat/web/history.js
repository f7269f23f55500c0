// The history of the last hour and day, loaded again when something happened.
// @ts-check
import { request } from "./api.js";
import { useEffect, useState } from "./vendor/vendor.js";

const BUSY_MILLISECONDS = 2000;
const IDLE_MILLISECONDS = { hour: 20_000, day: 120_000 };

/** Return the histories that are loaded: `hour`, and `day` once it was asked for. @param {any[]} activity a new list tells that something happened */
export function useHistory(activity) {
  const [isDayWanted, wantDay] = useState(false);
  return {
    hour: useRange("hour", true, activity),
    day: useRange("day", isDayWanted, null),
    wantDay: () => wantDay(true),
  };
}

function useRange(range, isWanted, activity) {
  const [history, setHistory] = useState(null);
  const [loadedAt, setLoadedAt] = useState(0);
  const load = () => request(`api/history?range=${range}`).then((response) => response.json()).then(setHistory, () => {})
    .then(() => setLoadedAt(Date.now()));
  useEffect(() => {
    if (!isWanted) return undefined;
    // soon after a change, but not for each one of many
    const timer = setTimeout(load, Math.max(0, loadedAt + BUSY_MILLISECONDS - Date.now()));
    return () => clearTimeout(timer);
  }, [range, isWanted, activity]);
  useEffect(() => {
    if (!isWanted) return undefined;
    const timer = setInterval(() => document.hidden || load(), IDLE_MILLISECONDS[range]);
    return () => clearInterval(timer);
  }, [range, isWanted]);
  return history;
}
