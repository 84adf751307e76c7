/**
 * Shows how an outcome follows from its receipt: commitment, seed, rolls, outcome, each recomputed here in the browser.
 */

import { ApiError } from "./api.js";
import { announce, el, fill, pause } from "./dom.js";
import { explain } from "./errors.js";
import { verify } from "./fairness.js";
import { dayAndTime } from "./format.js";
import { disclosureProblems } from "./disclosure.js";
import { notedAt } from "./noted.js";
import { outcomeTable } from "./outcome.js";
import { dataTable } from "./table.js";

const TRIES = 12;
const WAIT_MS = 250;

/**
 * @typedef {object} Place where and how to show it
 * @property {HTMLElement} element is filled
 * @property {import("./api.js").Api} api
 * @property {((clientSeed?: string) => Promise<any>)|null} rotate reveals the player's seed; null: it is not theirs
 */

/**
 * Fetch the receipt of an event, recompute it and show every step.
 * @param {Place} place
 * @param {string} eventId such as `0-1-42`
 * @returns {Promise<void>}
 */
export async function showReceipt(place, eventId) {
  fill(place.element, el("p", { class: "muted" }, `Fetching the receipt of ${eventId}…`));
  try {
    await showGiven(place, await fetchReceipt(place.api, eventId));
  } catch (error) {
    fill(place.element, el("div", { class: "notice", role: "alert" }, el("p", {}, explain(error))));
  }
}

/**
 * Recompute and show a receipt that is at hand.
 * @param {Place} place
 * @param {any} receipt
 * @returns {Promise<void>}
 */
export async function showGiven(place, receipt) {
  if (!globalThis.crypto?.subtle) {
    const why = "This browser offers its cryptography over HTTPS and on this machine's own address only.";
    fill(place.element, el("div", { class: "notice", role: "alert" }, el("p", {}, why)));
    return;
  }
  const report = await verify(receipt);
  await compareWithDisclosed(place.api, receipt, report);
  fill(place.element, verdict(place, receipt, report), el("ol", { class: "steps" }, steps(receipt, report)));
  announce(HEADLINES[report.verdict]);
}

const HEADLINES = {
  verified: "Verified: seeds and table give exactly this outcome.",
  wrong: "Not verified: the receipt does not agree with what it comes to.",
  unrevealed: "Sealed: the server seed is not revealed yet.",
};

async function compareWithDisclosed(api, receipt, report) {
  try {
    const problems = await disclosureProblems(api, receipt);
    if (problems.length && report.verdict === "verified") report.verdict = "wrong";
    report.problems.push(...problems);
  } catch (error) {
    report.remarks.push(`The table was not compared with the disclosed odds: ${explain(error)}`);
  }
}

/** A new event's receipt is there as soon as the event is stored, which may be a moment later. */
async function fetchReceipt(api, eventId, until = () => true) {
  for (let tried = 1; ; tried += 1) {
    try {
      const receipt = await api.get(`/api/fairness/receipts/${encodeURIComponent(eventId)}`);
      if (until(receipt) || tried === TRIES) return receipt;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404 || tried === TRIES) throw error;
    }
    await pause(WAIT_MS);
  }
}

function verdict(place, receipt, report) {
  const lines = [...report.problems, ...report.remarks].map((line) => el("li", {}, line));
  return el(
    "div",
    { class: "verdict", "data-verdict": report.verdict },
    el("p", {}, el("strong", {}, HEADLINES[report.verdict])),
    lines.length ? el("ul", {}, lines) : null,
    report.verdict === "unrevealed" ? offerToRotate(place, receipt) : null,
  );
}

function offerToRotate(place, receipt) {
  const why =
    "While the seed is in use it stays secret, since it decides your next draws too. Rotating reveals it, " +
    "commits the server to a new one, and lets this browser recompute everything drawn with the old one.";
  if (!place.rotate) return el("p", {}, "Only the player can reveal it, by rotating the seed.");
  const error = el("div", { class: "notice", role: "alert", hidden: true });
  const button = el(
    "button",
    { type: "button", class: "primary", onclick: rotateAndShow },
    "Reveal the seed and verify",
  );
  async function rotateAndShow() {
    button.disabled = true;
    try {
      await place.rotate();
      await showGiven(
        place,
        await fetchReceipt(place.api, receipt.event_id, (each) => each.server_seed !== null),
      );
    } catch (problem) {
      fill(error, el("p", {}, explain(problem)));
      error.hidden = false;
      button.disabled = false;
    }
  }
  return el(
    "div",
    { class: "stack" },
    el("p", { class: "muted" }, why),
    el("div", { class: "actions" }, button),
    error,
  );
}

function steps(receipt, report) {
  const all = [receiptStep(receipt), commitmentStep(receipt), seedStep(receipt)];
  if (report.rolls.length) all.push(rollsStep(report), outcomeStep(receipt, report));
  return all;
}

function receiptStep(receipt) {
  return step("Receipt", [
    facts([
      ["Event", `${receipt.event_id}, ${receipt.type}`],
      ["Time", dayAndTime(receipt.time)],
      ["Economy", code(receipt.economy)],
    ]),
  ]);
}

function commitmentStep(receipt) {
  const noted = notedAt(receipt.commitment);
  const before = noted !== null && noted < Date.parse(receipt.time);
  return step("Commitment, known before the draw", [
    facts([["SHA-256 of the server seed", code(receipt.commitment)]]),
    before
      ? el(
          "p",
          { class: "win" },
          `This browser noted it on ${dayAndTime(new Date(noted).toISOString())}, before the draw.`,
        )
      : null,
  ]);
}

function seedStep(receipt) {
  return step("Seeds", [
    facts([
      ["Server seed", receipt.server_seed ? code(receipt.server_seed) : "secret until it is rotated"],
      ["Client seed", code(receipt.client_seed)],
      ["Nonce", String(receipt.nonce)],
    ]),
    receipt.server_seed ? el("p", {}, "Its SHA-256, computed here, is compared with the commitment.") : null,
  ]);
}

function rollsStep(report) {
  const blocks = report.blocks.map(({ message, digest }) => [code(message), code(digest)]);
  const rolls = report.rolls.map(({ digits, u }, i) => [String(i), code(digits), String(u)]);
  return step("Rolls", [
    dataTable("HMAC-SHA1 of the server seed", ["message", "block"], blocks),
    dataTable("13 digits each, divided by 2^52", ["roll", "digits", "u"], rolls),
  ]);
}

function outcomeStep(receipt, report) {
  const { caption, head, rows } = outcomeTable(receipt, report);
  return step("Outcome", [dataTable(caption, head, rows)]);
}

function step(title, content) {
  return el("li", {}, el("h3", {}, title), content);
}

function facts(pairs) {
  return el(
    "dl",
    { class: "facts" },
    pairs.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
  );
}

function code(text) {
  return el("code", {}, text);
}
