/** Commitments that this browser has seen, and when: proof, for its owner, that one was there before a draw. */

const NAME = "croupier.commitments";
const KEPT = 50;

/**
 * Note a commitment, unless it is noted already.
 * @param {string} commitment
 */
export function note(commitment) {
  const noted = read();
  if (commitment in noted) return;
  noted[commitment] = Date.now();
  const newest = Object.entries(noted)
    .sort((one, other) => other[1] - one[1])
    .slice(0, KEPT);
  localStorage.setItem(NAME, JSON.stringify(Object.fromEntries(newest)));
}

/**
 * @param {string} commitment
 * @returns {number|null} Unix time in ms, by this machine's clock
 */
export function notedAt(commitment) {
  return read()[commitment] ?? null;
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(NAME) ?? "{}");
  } catch {
    return {};
  }
}
