/** Figures as an instrument shows them: short, and with as many digits as mean something. */

/** @param {number|null|undefined} value a rate @returns {string} such as `0`, `0.4`, `38` or `1,204` */
export function rate(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  return value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en");
}

/** @param {number|null} seconds @returns {string} such as `0.8 ms`, `12 ms`, `1.20 s` or `3 min` */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds === 0) return "0 s";
  if (seconds < 0.01) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

/** @param {number} share @param {number} [digits] @returns {string} such as `4.2 %` */
export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

/** @param {number} p a probability @returns {string} such as `0.31`, `0.004` or `2e-7` */
export function probability(p) {
  if (p >= 0.01) return p.toFixed(2);
  return p >= 0.0001 ? p.toFixed(4) : p.toExponential(0);
}
