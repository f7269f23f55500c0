// Formats numbers for people.
// @ts-check

/** Return bytes in decimal units, like the sizes in the runtime's messages. @param {number} bytes */
export function size(bytes) {
  if (bytes >= 9.5e8) return `${Number((bytes / 1e9).toFixed(1))} GB`;
  if (bytes >= 1e6) return `${Math.round(bytes / 1e6)} MB`;
  return `${Math.round(bytes / 1e3)} kB`;
}

/** Return minutes and seconds, like "4:07". @param {number} seconds */
export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Return a duration in its two largest units, like "2 h 5 min". @param {number} seconds */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  if (minutes) return `${minutes} min ${whole % 60} s`;
  return `${whole} s`;
}

/** @param {number} fraction 0..1 */
export const percent = (fraction) => `${Math.round(100 * fraction)} %`;

/** Return a short time as it was measured, like "0.42 s", "12 s" or "3 min 5 s". @param {number} seconds */
export function duration(seconds) {
  if (seconds >= 60) return span(seconds);
  return `${seconds >= 9.95 ? Math.round(seconds) : Number(seconds.toPrecision(2))} s`;
}

/** Return a throughput in the unit of its medium, like "31 tokens/s". @param {{speed: number, speed_unit: string}} measured */
export const speed = ({ speed: value, speed_unit: unit }) => `${value >= 9.95 ? Math.round(value) : Number(value.toPrecision(2))} ${unit}`.replace(/^(\S+) × /, "$1× ");

/** Return a time of the day, like "14:05:09"; also the day, if it is another one. @param {number} at seconds since the epoch */
export function moment(at) {
  const then = new Date(1000 * at);
  const time = then.toLocaleTimeString("en-GB");
  return then.toDateString() === new Date().toDateString() ? time : `${then.toLocaleDateString("en-GB", { weekday: "short" })} ${time}`;
}
