/** The disclosed odds of a banner as tables: each item's exact chance, pity, guarantee and what is left in stock. */

import { el } from "../shared/dom.js";
import { amount, fraction, short, title } from "../shared/format.js";
import { dataTable } from "../shared/table.js";

/**
 * @param {any} reply of `/api/games/gacha/odds`
 * @returns {HTMLElement[]}
 */
export function gachaOdds({ economy, odds, remaining_stock: stock }) {
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
    el(
      "ul",
      { class: "rules" },
      rulesOf(odds).map((rule) => el("li", {}, rule)),
    ),
    el("p", { class: "muted" }, "Version of the economy: ", el("code", { title: economy }, short(economy))),
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
