/** Events as rows, of the live stream and of the log alike. */

import { el } from "../shared/dom.js";
import { amount, change, multiplier, time, title } from "../shared/format.js";
import { RARITIES } from "../shared/gacha.js";
import { code } from "./parts.js";

/** Types with a receipt, and the others, for choosing. */
export const TYPES = [
  "gacha.pulled", "crash.bet_placed", "crash.settled", "slot.spun", "rps.played", "rewards.granted", "session.started",
  "session.ended", "actions.recorded", "fairness.rotated", "economy.changed", "pool.added", "epoch.opened",
];
const WITH_RECEIPT = new Set(TYPES.slice(0, 5));

/** Titles of the columns of `eventRow`, and of `loggedRow`. */
export const EVENT_HEAD = ["Time", "Type", "Player", "What happened", "Event"];
export const LOGGED_HEAD = EVENT_HEAD.toSpliced(4, 0, "#tokens");

/** @param {HTMLSelectElement} select gets an option for each type */
export function offerTypes(select) {
  select.append(...TYPES.map((type) => el("option", {}, type)));
}

/**
 * One event as cells.
 * @param {any} event of the live stream, or of `/api/admin/events`
 * @param {import("./main.js").App} app
 * @returns {(string|Node)[]}
 */
export function eventRow(event, app) {
  const { event_id: id, player_id: player, event_type: type } = event;
  return [
    time(event.created_at),
    code(type),
    player ? link(String(player), `Player ${player}`, () => app.lookUp(player)) : "–",
    describe(event),
    WITH_RECEIPT.has(type) ? link(id, `Verify ${id}`, () => app.verify(id)) : id,
  ];
}

/**
 * One event of the log as cells: with what it changed the balance by.
 * @param {any} event of `/api/admin/events`
 * @param {import("./main.js").App} app
 * @returns {(string|Node)[]}
 */
export function loggedRow(event, app) {
  return eventRow(event, app).toSpliced(4, 0, event.delta_coin === null ? "" : change(event.delta_coin));
}

function link(text, label, onclick) {
  return el("button", { type: "button", class: "text", "aria-label": label, onclick }, text);
}

/**
 * What an event did, in a few words: from the reply of its command (live), or from the history (log).
 * @param {any} event
 * @returns {string}
 */
export function describe({ event_type: type, result }) {
  if (!result || !Object.keys(result).length) return "–";
  const words = WORDS[type];
  return words ? words(result) : generic(result);
}

/** @type {Record<string, (result: any) => string>} */
const WORDS = {
  "gacha.pulled": pull,
  "crash.bet_placed": (result) => `Bet${result.bet_amount ? ` ${amount(result.bet_amount)}` : ""}`,
  "crash.settled": settled,
  "slot.spun": (result) => (result.payout ? `Won ${amount(result.payout)}` : "Nothing"),
  "rps.played": played,
  "rewards.granted": granted,
  "pool.added": (result) => `${amount(result.amount)} ${result.rarity} to ${title(result.banner)}: ${result.reason}`,
  "actions.recorded": ({ action_type: type }) => title(type),
  "fairness.rotated": () => "Revealed the seed, and committed to a new one",
  "session.ended": ({ result_data: data }) => (data ? `${data.rounds} rounds, net ${change(data.net)}` : "–"),
};

const RPS = { WIN: "won", LOSE: "lost", DRAW: "a draw" };

function played({ player_move: one, server_move: other, outcome }) {
  return `${title(one.toLowerCase())} against ${other.toLowerCase()}: ${RPS[outcome]}`;
}

function granted({ amount: number, reward_type: currency = "", source_description: why }) {
  return `${amount(number)} ${currency.toLowerCase()}${why ? `: ${why}` : ""}`;
}

function pull({ items, banner }) {
  const of = banner ? ` of ${title(banner)}` : "";
  if (items.length === 1) return `${title(items[0].item_id)}, ${items[0].rarity}${of}`;
  const counts = RARITIES.map((rarity) => [rarity, items.filter((item) => item.rarity === rarity).length]);
  const words = counts.filter(([, n]) => n).map(([rarity, n]) => `${n} ${rarity}`);
  return `Ten${of}: ${words.join(", ")}`;
}

function settled(result) {
  if (result.outcome === "crashed") return "Crashed";
  const how = result.outcome === "auto" ? "Paid by itself" : "Cashed out";
  return `${how} at ${multiplier(Math.round(result.multiplier * 100))}: ${amount(result.payout)}`;
}

function generic(result) {
  const simple = Object.entries(result).filter(([, value]) => value !== null && typeof value !== "object");
  return simple.map(([name, value]) => `${title(name)} ${value}`).join(", ").slice(0, 120) || "–";
}
