/**
 * Recomputes an outcome from its receipt alone, with the browser's own cryptography: the steps of docs/fairness.md,
 * written a second time. Whoever has the page and a receipt needs nobody's word.
 */

import { draw, stateBefore } from "./gacha.js";

const RULES = 1;
const MOVES = ["ROCK", "PAPER", "SCISSORS"];
const OUTCOMES = ["DRAW", "WIN", "LOSE"];
const LINES = [
  [0, 0, 0],
  [1, 1, 1],
  [2, 2, 2],
  [0, 1, 2],
  [2, 1, 0],
];
const NONCES_PER_EPOCH = 1_000_000_000;
const EVENT_ID = /^(0|[1-9][0-9]{0,15})-([1-9][0-9]{0,15})-(0|[1-9][0-9]{0,15})$/;

/**
 * @typedef {object} Roll
 * @property {string} digits 13 hexadecimal digits
 * @property {number} u at least 0 and less than 1
 */

/**
 * @typedef {object} Report what came of a check
 * @property {"verified"|"wrong"|"unrevealed"} verdict
 * @property {string[]} problems one sentence each
 * @property {string[]} remarks what is to be known besides
 * @property {{message: string, digest: string}[]} blocks the blocks that were computed
 * @property {Roll[]} rolls
 * @property {Record<string, any>} found the outcome, recomputed; by the names of the receipt
 * @property {Record<string, any>[]} ways for a pull: how each draw came about
 */

/** @param {string} text ASCII @returns {Promise<string>} SHA-256 in hexadecimal */
export async function sha256(text) {
  return hex(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

/**
 * Block b of a nonce.
 * @param {string} serverSeed
 * @param {string} message `client seed:nonce:b`
 * @returns {Promise<string>} 40 hexadecimal digits
 */
export async function block(serverSeed, message) {
  const ascii = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-1" };
  const key = await crypto.subtle.importKey("raw", ascii.encode(serverSeed), algorithm, false, ["sign"]);
  return hex(await crypto.subtle.sign("HMAC", key, ascii.encode(message)));
}

/** @param {string} digits 13 hexadecimal digits @returns {number} */
export const unit = (digits) => Number.parseInt(digits, 16) / 2 ** 52;

/**
 * Rolls number 0 to count - 1.
 * @param {string} serverSeed
 * @param {string} clientSeed
 * @param {number} nonce
 * @param {number} count
 * @returns {Promise<{blocks: {message: string, digest: string}[], rolls: Roll[]}>}
 */
export async function roll(serverSeed, clientSeed, nonce, count) {
  const messages = Array.from({ length: Math.ceil(count / 3) }, (_, b) => `${clientSeed}:${nonce}:${b}`);
  const blocks = await Promise.all(
    messages.map(async (message) => ({ message, digest: await block(serverSeed, message) })),
  );
  const rolls = Array.from({ length: count }, (_, i) => {
    const from = 13 * (i % 3);
    const digits = blocks[Math.floor(i / 3)].digest.slice(from, from + 13);
    return { digits, u: unit(digits) };
  });
  return { blocks, rolls };
}

/** @param {number} u @param {number} cap hundredths @returns {number} where a round crashes, in hundredths */
export const crashPoint = (u, cap) => Math.min(cap, Math.max(100, Math.floor(99 / (1 - u))));

/**
 * @param {number} growthPpm
 * @param {number} elapsedMs
 * @param {number} cap hundredths
 * @returns {number} what the multiplier has grown to, in hundredths
 */
export function grown(growthPpm, elapsedMs, cap) {
  const x = (growthPpm * elapsedMs) / 1e9;
  return x > 7 ? cap : Math.min(cap, Math.floor(100 * Math.exp(x)));
}

/** @param {number} u @returns {string} the server's move */
export const serverMove = (u) => MOVES[Math.floor(3 * u)];

/**
 * @param {any} table the slot machine
 * @param {number} bet
 * @param {number[]} u three rolls
 */
export function spin(table, bet, u) {
  const stops = table.reels.map((strip, i) => Math.floor(u[i] * strip.length));
  const lines = [];
  LINES.forEach((rows, line) => {
    const [first, second, third] = rows.map(
      (row, i) => table.reels[i][(stops[i] + row) % table.reels[i].length],
    );
    if (first !== second) return;
    const count = second === third ? 3 : 2;
    const percent = table.paytable[first]?.[count === 3 ? "three" : "two"] ?? 0;
    if (percent) lines.push({ line, symbol: first, count, payout: (bet * percent) / 100 });
  });
  return { stops, lines, payout: lines.reduce((sum, line) => sum + line.payout, 0) };
}

/**
 * Check a receipt.
 * @param {any} receipt as `/api/fairness/receipts/{event_id}` answers it
 * @returns {Promise<Report>}
 */
export async function verify(receipt) {
  const report = { verdict: "wrong", problems: [], remarks: [], blocks: [], rolls: [], found: {}, ways: [] };
  const checks = CHECKS[receipt.type];
  if (receipt.rules !== RULES || !checks) {
    report.problems.push(
      `These are rules ${receipt.rules} for ${receipt.type}, which this page does not know.`,
    );
    return report;
  }
  report.problems.push(...(await formProblems(receipt)));
  if (receipt.deterministic) report.remarks.push("A setting for tests decided this game. It is not random.");
  if (receipt.server_seed === null) {
    if (!report.problems.length) report.verdict = "unrevealed";
    return report;
  }
  if (report.problems.length) return report;
  const { blocks, rolls } = await roll(
    receipt.server_seed,
    receipt.client_seed,
    receipt.nonce,
    checks.rolls(receipt),
  );
  Object.assign(report, { blocks, rolls });
  checks.run(
    receipt,
    rolls.map((each) => each.u),
    report,
  );
  compare(receipt, report.found, report.problems);
  if (!report.problems.length) report.verdict = "verified";
  return report;
}

const CHECKS = {
  "gacha.pulled": { rolls: (receipt) => 2 * receipt.draws.length, run: checkPull },
  "slot.spun": { rolls: () => 3, run: checkSpin },
  "rps.played": { rolls: () => 1, run: checkGame },
  "crash.bet_placed": { rolls: () => 1, run: checkBet },
  "crash.settled": { rolls: () => 1, run: checkSettlement },
};

function checkPull(receipt, u, report) {
  if (![1, 10].includes(receipt.draws.length)) report.problems.push("A pull has 1 or 10 draws.");
  const state = stateBefore(receipt.state_before);
  const drawn = receipt.draws.map((said, j) =>
    draw(receipt.table, state, said.stock_seen, u[2 * j], u[2 * j + 1]),
  );
  report.found = { draws: drawn.map((each) => each.record) };
  report.ways = drawn.map((each) => each.way);
}

function checkSpin(receipt, u, report) {
  const { bet, table } = receipt;
  if (bet < table.bet_min || bet > table.bet_max || bet % table.bet_step) report.problems.push(noBet(bet));
  report.found = spin(table, bet, u);
}

function checkGame(receipt, [u], report) {
  const { bet, table } = receipt;
  if (bet && (bet < table.bet_min || bet > table.bet_max || bet % table.bet_step))
    report.problems.push(noBet(bet));
  const rolled = serverMove(u);
  const move = receipt.deterministic ? receipt.server_move : rolled;
  if (receipt.deterministic) report.remarks.push(`By its roll the server's move would be ${rolled}.`);
  const outcome = OUTCOMES[(MOVES.indexOf(receipt.player_move) - MOVES.indexOf(move) + 3) % 3];
  const payout = { WIN: Math.floor((bet * table.win_percent) / 100), DRAW: bet, LOSE: 0 }[outcome];
  report.found = { server_move: move, outcome, payout };
}

function checkBet(receipt, [u], report) {
  report.problems.push(...roundProblems(receipt));
  report.found = { started_at_ms: Date.parse(receipt.time) };
  report.remarks.push(
    `The seeds and the nonce fix the crash point: ${(crashPoint(u, receipt.cap_m100) / 100).toFixed(2)}.`,
  );
}

function checkSettlement(receipt, [u], report) {
  report.problems.push(...roundProblems(receipt));
  const crash = crashPoint(u, receipt.cap_m100);
  const reached = grown(receipt.growth_ppm, receipt.elapsed_ms, receipt.cap_m100);
  const target = receipt.target_m100;
  let [outcome, paid] = ["cashed", reached];
  if (crash === 100 || (crash < target && crash < reached)) [outcome, paid] = ["crashed", null];
  else if (reached >= target) [outcome, paid] = ["auto", target];
  report.found = {
    elapsed_ms: Math.max(0, Date.parse(receipt.time) - receipt.started_at_ms),
    crash_m100: crash,
    outcome,
    paid_m100: paid,
    payout: percentOf(receipt.bet, paid ?? 0),
  };
}

/** floor(bet × hundredths / 100) in whole numbers: the product may be beyond what a double counts exactly. */
function percentOf(bet, hundredths) {
  return Number((BigInt(bet) * BigInt(hundredths)) / 100n);
}

function roundProblems(receipt) {
  const problems = [];
  if (!/^[0-9a-f]{32}$/.test(receipt.game_id))
    problems.push("game_id is not 32 hexadecimal digits in lower case.");
  if (receipt.bet < 1) problems.push(noBet(receipt.bet));
  if (receipt.target_m100 < 101 || receipt.target_m100 > receipt.cap_m100) {
    problems.push(`target_m100 ${receipt.target_m100} is not between 101 and the cap, ${receipt.cap_m100}.`);
  }
  return problems;
}

async function formProblems(receipt) {
  const problems = [];
  const id = EVENT_ID.exec(receipt.event_id);
  if (!id) problems.push(`event_id ${receipt.event_id} is not partition-epoch-seq.`);
  else if (Number(id[3]) !== receipt.seq)
    problems.push(`seq is ${receipt.seq}, and event_id ${receipt.event_id}.`);
  // The settlement of a round may be in a later epoch than its bet, whose nonce it goes by.
  else if (receipt.nonce <= (Number(id[2]) - 1) * NONCES_PER_EPOCH && receipt.type !== "crash.settled") {
    problems.push(`nonce ${receipt.nonce} belongs to an epoch before that of ${receipt.event_id}.`);
  }
  if (!Number.isSafeInteger(receipt.nonce) || receipt.nonce < 1)
    problems.push("nonce is not a positive number.");
  if (!/^[A-Za-z0-9_-]{1,32}$/.test(receipt.client_seed))
    problems.push("client_seed has a form that is not allowed.");
  if (receipt.server_seed !== null) {
    if (!/^[0-9a-f]{64}$/.test(receipt.server_seed))
      problems.push("server_seed is not 64 hexadecimal digits.");
    else if ((await sha256(receipt.server_seed)) !== receipt.commitment) {
      problems.push("The SHA-256 of server_seed is not the commitment.");
    }
  }
  return problems;
}

function compare(receipt, found, problems) {
  for (const [name, value] of Object.entries(found)) {
    if (name === "draws") {
      value.forEach((each, j) => compareMembers(receipt.draws[j], each, `draw ${j + 1}: `, problems));
    } else if (!same(receipt[name], value)) {
      problems.push(
        `${name} is ${JSON.stringify(receipt[name])}, and recomputed it is ${JSON.stringify(value)}.`,
      );
    }
  }
}

function compareMembers(said, found, where, problems) {
  for (const [name, value] of Object.entries(found)) {
    if (same(said[name], value)) continue;
    problems.push(
      `${where}${name} is ${JSON.stringify(said[name])}, and recomputed it is ${JSON.stringify(value)}.`,
    );
  }
}

function same(one, other) {
  if (one === null || typeof one !== "object") return one === other;
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other ?? {}).length && names.every((name) => same(one[name], other[name]))
  );
}

const noBet = (bet) => `bet ${bet} is none that the table allows.`;

const hex = (buffer) =>
  [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
