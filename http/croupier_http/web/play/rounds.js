/** What the games with a bet have in common. */

import { el } from "../shared/dom.js";
import { amount, change, dayAndTime, short } from "../shared/format.js";

/**
 * The amount in a field, for a command.
 * @param {HTMLInputElement} field
 * @returns {number}
 */
export const betOf = (field) => Math.max(0, Math.round(Number(field.value) || 0));

/**
 * What a round came to, in words.
 * @param {number} bet
 * @param {number} payout
 * @returns {string}
 */
export function net(bet, payout) {
  if (!bet) return "Played for nothing";
  return `${payout ? `Paid ${amount(payout)}` : "Nothing paid"} (${change(payout - bet)})`;
}

/**
 * Of which version a disclosed table is, and when it was in force.
 * @param {string} economy
 * @param {number} nowMs on the server's clock
 * @returns {HTMLElement}
 */
export function edition(economy, nowMs) {
  const version = el("code", { title: economy }, short(economy));
  const when = dayAndTime(new Date(nowMs).toISOString());
  return el("p", { class: "muted" }, "Version ", version, ` of the economy, in force on ${when}.`);
}

/**
 * The rules of a game's odds, and whatever tables go before them.
 * @param {any} odds
 * @param {(string|HTMLElement)[]} tables
 * @param {HTMLElement} last
 * @returns {(string|HTMLElement)[]}
 */
export function oddsWithRules(odds, tables, last) {
  const rules = Object.values(odds.rules).map((rule) => el("li", {}, rule));
  return [
    ...tables,
    el("p", {}, `Return to player: ${odds.rtp.percent} %.`),
    el("ul", { class: "rules" }, rules),
    last,
  ];
}
