/** How far the player is on the way to what a banner guarantees. */

import { el } from "../shared/dom.js";

/**
 * @param {Record<string, any>} pity draws since each rarity, and whether the guarantee is due
 * @param {any} odds of the banner
 * @returns {HTMLElement[]}
 */
export function pityMeters(pity, odds) {
  const meters = odds.rarities
    .filter((each) => each.hard_pity !== null)
    .map((each) => meter(each.rarity, pity[each.rarity], each.hard_pity));
  if (odds.guarantee) {
    const text = pity.guaranteed
      ? `Your next ${odds.guarantee.rarity} is a featured one.`
      : `A ${odds.guarantee.rarity} that is not featured makes the next one featured.`;
    meters.push(el("p", { class: "meter muted" }, text));
  }
  return meters;
}

function meter(rarity, since, hard) {
  const within = Math.max(1, hard - since);
  const text =
    within === 1 ? `${rarity}: certain with the next draw` : `${rarity}: certain within ${within} draws`;
  const bar = el("div", { class: "fillbar" });
  bar.style.setProperty("width", `${Math.min(100, (100 * since) / (hard - 1))}%`);
  const properties = {
    class: "track",
    role: "meter",
    "aria-label": `${rarity} pity`,
    "aria-valuemin": 0,
    "aria-valuemax": hard - 1,
    "aria-valuenow": Math.min(since, hard - 1),
    "aria-valuetext": text,
  };
  return el(
    "div",
    { class: `meter tone-${rarity}` },
    el("span", { "aria-hidden": "true" }, text),
    el("div", properties, bar),
  );
}
