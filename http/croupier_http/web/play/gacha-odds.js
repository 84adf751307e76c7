/** The disclosed odds of a banner as tables: each item's exact chance, pity, guarantee and what is left in stock. */

import { el } from "../shared/dom.js";
import { amount, fraction, title } from "../shared/format.js";
import { dataTable } from "../shared/table.js";

/**
 * @param {any} reply of `/api/games/gacha/odds`
 * @param {any} banner of `/api/games/gacha/banners`
 * @param {HTMLElement} edition of which version they are
 * @returns {HTMLElement[]}
 */
export function gachaOdds({ odds, remaining_stock: stock }, banner, edition) {
  const guaranteed = odds.guarantee !== null;
  const head = ["Item", "Rarity", "#Chance per draw", "#Exactly", "#In the long run, with pity"];
  if (guaranteed) head.push("#While the guarantee is due");
  const rows = odds.rarities.flatMap((each) => each.items.map((item) => itemRow(each, item, guaranteed)));
  return [
    dataTable(
      "Chance of each rarity",
      ["Rarity", "#Chance per draw", "#Certain after", "#In stock"],
      odds.rarities.map((each) => rarityRow(each, stock)),
    ),
    dataTable("Chance of each item", head, rows),
    ...odds.rarities.filter((each) => each.soft_pity).map(softPity),
    el("h2", {}, "Rules"),
    list([...inWords(odds, banner)]),
    el("details", {}, el("summary", {}, "Rules for recomputing a draw"), list(rulesOf(odds))),
    edition,
  ];
}

function rarityRow({ rarity, probability, hard_pity: hard, initial_stock: initial }, stock) {
  const left = initial === null || rarity === "Common" ? "unlimited" : amount(stock[rarity]);
  const certain = hard === null ? "–" : `${hard - 1} draws without`;
  return [toned(rarity), `${probability.percent} %`, certain, left];
}

function itemRow({ rarity }, item, guaranteed) {
  const row = [
    item.featured ? `${title(item.id)} (featured)` : title(item.id),
    toned(rarity),
    `${item.probability.percent} %`,
    fraction(item.probability),
    item.long_run ? `${item.long_run.percent} %` : "–",
  ];
  if (guaranteed)
    row.push(item.probability_guaranteed ? `${item.probability_guaranteed.percent} %` : "as usual");
  return row;
}

/** What a player has to know, for this banner, in a sentence each. */
function* inWords({ rarities, guarantee }, { cost_tokens: tokens, cost_gems: gems }) {
  const prices = [`${amount(tokens.one)} tokens`, gems && `${amount(gems.one)} gems`].filter(Boolean);
  const ten = [`${amount(tokens.ten)} tokens`, gems && `${amount(gems.ten)} gems`].filter(Boolean);
  yield `One draw costs ${prices.join(" or ")}; ten draws cost ${ten.join(" or ")}.`;
  for (const { rarity, hard_pity: hard, soft_pity: soft } of rarities) {
    if (hard !== null)
      yield `After ${hard - 1} draws without ${rarity}, the next draw is ${rarity} for certain. ` +
        "The count goes on from pull to pull on this banner, and begins again only when that rarity comes.";
    if (soft)
      yield `From draw ${soft.from_draw} without ${rarity} on, its chance rises by ${soft.step_ppm / 10_000} ` +
        "percentage points with each draw, at the expense of Common first.";
  }
  if (guarantee)
    yield `A ${guarantee.rarity} is a featured one with a chance of ${guarantee.featured.percent} %. If it is not, ` +
      `your next ${guarantee.rarity} on this banner is a featured one for certain.`;
  for (const { rarity, initial_stock: initial } of rarities.filter((each) => each.initial_stock !== null))
    yield `${rarity} is limited: all players share ${amount(initial)} at first. Once none is left, a draw of it ` +
      "gives Common instead, says so, and leaves its pity due.";
  yield "Nothing else changes a chance: neither what you have won, nor what you have spent.";
}

function list(rules) {
  return el(
    "ul",
    { class: "rules" },
    rules.map((rule) => el("li", {}, rule)),
  );
}

function softPity({ rarity, soft_pity: soft }) {
  const rows = soft.table.map(({ draw, weights_ppm: weights }) => [
    String(draw),
    ...Object.values(weights).map((ppm) => `${ppm / 10_000} %`),
  ]);
  const head = ["Draw since the last one", "#Legendary", "#Epic", "#Rare", "#Common"];
  return el(
    "details",
    {},
    el("summary", {}, `Rising chance of ${rarity}, from draw ${soft.from_draw}`),
    dataTable(`Chances while ${rarity} is rising`, head, rows),
  );
}

function rulesOf({ rarities, guarantee, rules }) {
  const said = [rules.rarity, rules.item];
  if (rarities.some((each) => each.hard_pity !== null)) said.push(rules.hard_pity);
  if (rarities.some((each) => each.soft_pity !== null)) said.push(rules.soft_pity);
  if (guarantee) said.push(rules.guarantee);
  if (rarities.some((each) => each.initial_stock !== null)) said.push(rules.stock);
  return [...said, rules.near_miss, rules.long_run, rules.precision];
}

function toned(rarity) {
  return el("span", { class: `toned tone-${rarity}` }, rarity);
}
