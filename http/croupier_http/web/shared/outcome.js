/** From a report on a receipt to a table of what the rolls came to, one row for each draw or member. */

import { multiplier, title } from "./format.js";
import { RARITIES } from "./gacha.js";

/**
 * @typedef {{caption: string, head: string[], rows: string[][]}} Table
 */

/**
 * @param {any} receipt
 * @param {import("./fairness.js").Report} report
 * @returns {Table}
 */
export function outcomeTable(receipt, report) {
  return receipt.type === "gacha.pulled" ? draws(receipt, report) : members(receipt, report);
}

function draws(receipt, report) {
  const rows = report.ways.map((way, j) => {
    const found = report.found.draws[j];
    return [
      String(j + 1),
      Object.values(way.counters).join(", "),
      RARITIES.map((rarity) => way.weights[rarity]).join(", "),
      String(way.r),
      way.due ?? "–",
      way.drawn,
      way.stockSeen === null ? "unlimited" : String(way.stockSeen),
      found.rarity,
      `${way.r2} of ${way.w}`,
      title(found.item_id),
      agrees(receipt.draws[j], found),
    ];
  });
  const head = [
    "draw",
    "draws since",
    "weights, ppm",
    "r",
    "due",
    "drawn",
    "stock",
    "delivered",
    "r2",
    "item",
    "receipt",
  ];
  return { caption: "Every draw, recomputed", head, rows };
}

function members(receipt, report) {
  const rows = Object.entries(report.found).map(([name, found]) => [
    title(name.replace("_m100", "")),
    shown(name, found),
    shown(name, receipt[name]),
    JSON.stringify(found) === JSON.stringify(receipt[name]) ? "agrees" : "differs",
  ]);
  return { caption: "Recomputed, and what the receipt says", head: ["", "recomputed", "receipt", ""], rows };
}

function shown(name, value) {
  if (value === null || value === undefined) return "none";
  if (name.endsWith("_m100")) return multiplier(value);
  if (name === "lines") {
    return (
      value
        .map(({ line, symbol, count, payout }) => `line ${line + 1}: ${count} × ${symbol}, ${payout}`)
        .join("; ") || "none"
    );
  }
  return Array.isArray(value) ? value.join(", ") : String(value);
}

function agrees(said, found) {
  return Object.entries(found).every(([name, value]) => said[name] === value) ? "agrees" : "differs";
}
