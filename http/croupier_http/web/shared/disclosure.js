/** Compares the table in a receipt with the odds that are disclosed to everybody for that version of the economy. */

import { RARITIES } from "./gacha.js";

const GAMES = {
  "gacha.pulled": { path: "/api/games/gacha/odds", said: gachaSaid, disclosed: gachaDisclosed },
  "slot.spun": { path: "/api/games/slot/odds", said: slotSaid, disclosed: slotDisclosed },
  "rps.played": {
    path: "/api/games/rps/odds",
    said: (receipt) => receipt.table.win_percent,
    disclosed: (odds) => odds.win_percent,
  },
  "crash.bet_placed": {
    path: "/api/games/crash/odds",
    said: (receipt) => [receipt.growth_ppm, receipt.cap_m100],
    disclosed: (odds) => [odds.growth_ppm, odds.max_multiplier * 100],
  },
};

/**
 * What is wrong with a receipt's table. A settlement of crash goes by the economy of its bet, which it does not name.
 * @param {import("./api.js").Api} api
 * @param {any} receipt
 * @returns {Promise<string[]>} one sentence each
 */
export async function disclosureProblems(api, receipt) {
  const game = GAMES[receipt.type];
  if (!game) return [];
  const { odds } = await api.get(game.path, { economy: receipt.economy, banner: receipt.banner });
  const same = JSON.stringify(game.said(receipt)) === JSON.stringify(game.disclosed(odds));
  return same ? [] : ["The table of the receipt is not the one disclosed for that version of the economy."];
}

function gachaSaid({ table }) {
  return RARITIES.map((rarity) => {
    const items = [...table.items[rarity]].sort(
      (one, other) => Number(other.featured) - Number(one.featured),
    );
    const { hard = null, soft = null } = table.pity[rarity] ?? {};
    return [
      table.weights_ppm[rarity],
      items.map((item) => [item.id, item.weight, item.featured]),
      [hard, soft && [soft.from_draw, soft.step_ppm]],
      table.near_miss_ppm,
    ];
  });
}

function gachaDisclosed(odds) {
  return odds.rarities.map((each) => [
    each.weight_ppm,
    each.items.map((item) => [item.id, item.weight, item.featured]),
    [each.hard_pity, each.soft_pity && [each.soft_pity.from_draw, each.soft_pity.step_ppm]],
    odds.near_miss_ppm,
  ]);
}

function slotSaid({ table }) {
  const pays = Object.entries(table.paytable).flatMap(([symbol, { two, three }]) => [
    [symbol, 2, two],
    [symbol, 3, three],
  ]);
  return [
    table.reels,
    pays
      .filter(([, , percent]) => percent)
      .map(String)
      .sort(),
  ];
}

function slotDisclosed(odds) {
  return [odds.reels, odds.wins.map(({ symbol, count, percent }) => String([symbol, count, percent])).sort()];
}
