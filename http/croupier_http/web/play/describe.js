/** Rounds of the history in a few words. */

import { amount, GAMES, multiplier, title } from "../shared/format.js";
import { RARITIES } from "../shared/gacha.js";

/** @param {string} game @returns {string} */
export const gameName = (game) => GAMES[game] ?? title(game);

/**
 * @param {any} item of `/api/games/history`
 * @returns {string}
 */
export function describe({ game_type: game, action_type: action, result_meta: meta }) {
  if (game === "gacha") return pull(meta);
  if (game === "slot")
    return `Spin for ${amount(meta.bet_amount)}: ${meta.payout ? `paid ${amount(meta.payout)}` : "nothing"}`;
  if (game === "rps") return rps(meta);
  if (game === "crash") return crash(action, meta);
  return title(action);
}

const RPS = { WIN: "won", LOSE: "lost", DRAW: "a draw" };

function rps({ player_move: mine, server_move: theirs, outcome }) {
  return `${title(mine.toLowerCase())} against ${theirs.toLowerCase()}: ${RPS[outcome]}`;
}

function pull({ items, banner }) {
  if (items.length === 1) return `${title(items[0].item_id)} (${items[0].rarity}), ${title(banner)}`;
  const counts = RARITIES.map((rarity) => [rarity, items.filter((item) => item.rarity === rarity).length]);
  const words = counts.filter(([, count]) => count).map(([rarity, count]) => `${count} ${rarity}`);
  return `Ten from ${title(banner)}: ${words.join(", ")}`;
}

function crash(action, meta) {
  if (action === "bet") return `Crash bet of ${amount(meta.bet_amount)}`;
  if (meta.outcome === "crashed") return `Crashed at ${multiplier(Math.round(meta.crash_point * 100))}`;
  const how = meta.outcome === "auto" ? "Paid by itself" : "Cashed out";
  return `${how} at ${multiplier(Math.round(meta.multiplier * 100))}`;
}
