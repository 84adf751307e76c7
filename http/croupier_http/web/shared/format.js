/** Numbers, times and names as people read them. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const signed = new Intl.NumberFormat("en", { maximumFractionDigits: 0, signDisplay: "exceptZero" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** @param {number} value @returns {string} such as `12,500` */
export const amount = (value) => whole.format(value);

/** @param {number} value @returns {string} such as `+145` or `−80` */
export const change = (value) => signed.format(value).replace("-", "−");

/** @param {number} hundredths @returns {string} such as `2.37×` */
export const multiplier = (hundredths) => `${(hundredths / 100).toFixed(2)}×`;

/** Names of the games. */
export const GAMES = { gacha: "Gacha", crash: "Crash", slot: "Slot", rps: "Rock, paper, scissors" };

/** @param {string} name an id such as `ruby_dice` @returns {string} such as `Ruby dice` */
export function title(name) {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** @param {string} time RFC 3339 @returns {string} the time of day, with the day where it is another one */
export function time(time) {
  const when = new Date(time);
  const today = when.toDateString() === new Date().toDateString();
  return today ? clock.format(when) : `${day.format(when)}, ${clock.format(when)}`;
}

/** @param {string} time RFC 3339 @returns {string} day and time; what is no time, as in a pasted receipt, as it is */
export function dayAndTime(time) {
  const when = new Date(time);
  return Number.isNaN(when.getTime()) ? String(time) : moment.format(when);
}

/** @param {number} seconds @returns {string} such as `45 s`, `3 min 5 s` or `2 h 10 min` */
export function duration(seconds) {
  const left = Math.max(0, Math.ceil(seconds));
  if (left < 60) return `${left} s`;
  if (left < 3600) return `${Math.floor(left / 60)} min ${left % 60} s`;
  return `${Math.floor(left / 3600)} h ${Math.floor((left % 3600) / 60)} min`;
}

/** @param {{numerator: number, denominator: number}} exact @returns {string} such as `3 / 500` */
export const fraction = (exact) => `${amount(exact.numerator)} / ${amount(exact.denominator)}`;

/** @param {string} hash @returns {string} its first characters */
export const short = (hash) => `${hash.slice(0, 10)}…`;
