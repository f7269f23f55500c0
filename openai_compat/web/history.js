// The history of the last hour and day.
// @ts-check
import { request } from "./api.js";
import { useReload } from "./reload.js";
import { useState } from "./vendor/vendor.js";

const IDLE_MILLISECONDS = { hour: 20_000, day: 120_000 };

/** Return the histories that are loaded: `hour`, and `day` once it was asked for. @param {any[]} activity a new list tells that something happened */
export function useHistory(activity) {
  const [isDayWanted, wantDay] = useState(false);
  return {
    hour: useRange("hour", true, activity),
    day: useRange("day", isDayWanted, isDayWanted),
    wantDay: () => wantDay(true),
  };
}

function useRange(range, isWanted, trigger) {
  const [history, setHistory] = useState(null);
  const load = () => request(`api/history?range=${range}`).then((response) => response.json()).then(setHistory, () => {});
  useReload(() => { if (isWanted) load(); }, trigger, IDLE_MILLISECONDS[range]);
  return history;
}
