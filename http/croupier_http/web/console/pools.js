/** Panel "Pools": what is left of limited stock, and how it went by the hour. */

import { byId, el, fill } from "../shared/dom.js";
import { amount, dayAndTime, title } from "../shared/format.js";
import { dataTable } from "../shared/table.js";
import { bar, lineChart } from "./charts.js";
import { percent } from "./figures.js";
import { aside, state } from "./parts.js";
import { sum } from "./rates.js";
import { poll } from "./views.js";

const EVERY_MS = 10_000;
const HOUR_MS = 3_600_000;
const LOW = 0.1;

/** @param {import("./main.js").App} app */
export function mountPools({ api }) {
  const hours = byId("pool-hours");
  const ask = poll("pools", EVERY_MS, async () => {
    const reply = await api.once("GET", `/api/admin/pools?hours=${hours.value}`);
    show(reply, api.nowMs());
  });
  hours.addEventListener("change", ask);
}

/** Tables that were opened stay open when the figures change. */
function show(reply, nowMs) {
  const open = new Set([...byId("pool-list").querySelectorAll("details[open]")].map((each) => each.dataset.pool));
  const banners = grouped(reply.items);
  const panels = [...banners].map(([banner, pools]) => bannerPanel(banner, pools, reply, nowMs, open));
  const none = el("div", { class: "panel" }, aside("No banner of the economy in force has limited stock."));
  fill(byId("pool-list"), panels.length ? panels : none);
}

function grouped(pools) {
  const groups = new Map();
  for (const pool of pools) groups.set(pool.banner, [...(groups.get(pool.banner) ?? []), pool]);
  return groups;
}

function bannerPanel(banner, pools, reply, nowMs, open) {
  const rows = pools.map((pool) => {
    const points = levels(pool, Date.parse(reply.since), nowMs);
    const full = Math.max(pool.initial, ...points.map((point) => point.y), 1);
    const share = pool.remaining / full;
    const tone = `tone-${pool.rarity}`;
    const name = `${pool.rarity} of ${title(banner)}`;
    return [
      el("strong", { class: `toned tone-${pool.rarity}` }, pool.rarity),
      level(pool, full),
      amount(pool.remaining),
      el("span", { class: "gauge" }, bar({ title: `${name}, left`, share, tone }), percent(share, 0)),
      amount(sum(pool.history.map((hour) => hour.drawn))),
      amount(sum(pool.history.map((hour) => hour.added))),
    ];
  });
  const head = ["Rarity", "State", "#left", "Of the most in this time", "#drawn", "#added"];
  const hours = hourTable(banner, pools);
  const caption = `${title(banner)}${pools[0].enabled ? "" : ", switched off"}`;
  return el(
    "div",
    { class: "panel" },
    dataTable(caption, head, rows),
    el("div", { class: "columns charts" }, pools.map((pool) => historyChart(banner, pool, reply, nowMs))),
    el("details", { "data-pool": banner, open: open.has(banner) }, el("summary", {}, "By the hour"), hours),
  );
}

function historyChart(banner, pool, reply, nowMs) {
  const hours = byId("pool-hours").selectedOptions[0].textContent;
  const points = levels(pool, Date.parse(reply.since), nowMs);
  const when = (x) => dayAndTime(new Date(x).toISOString());
  const tone = `tone-${pool.rarity}`;
  return lineChart({ title: `${pool.rarity} of ${title(banner)}, left, ${hours}`, points, format: amount, when, tone });
}

function level(pool, full) {
  if (pool.remaining < 0) return state("bad", "Below zero");
  if (pool.remaining === 0) return state("bad", "Empty");
  return pool.remaining < LOW * full ? state("warn", "Low") : state("good", "In stock");
}

/** The level at the beginning and at the end of each hour in which it changed, and at both ends of the history. */
function levels(pool, sinceMs, nowMs) {
  const before = (hour) => hour.remaining + hour.drawn - hour.added;
  const [first] = pool.history;
  const points = [{ x: sinceMs, y: first ? before(first) : pool.remaining }];
  for (const hour of pool.history) {
    const from = Date.parse(hour.hour);
    points.push({ x: from, y: before(hour) }, { x: Math.min(nowMs, from + HOUR_MS), y: hour.remaining });
  }
  return [...points, { x: nowMs, y: pool.remaining }];
}

function hourTable(banner, pools) {
  const hours = pools.flatMap((pool) => pool.history.map((hour) => ({ pool, hour })));
  const newest = hours.sort((one, other) => other.hour.hour.localeCompare(one.hour.hour));
  const rows = newest.map(({ pool, hour }) => [
    dayAndTime(hour.hour), pool.rarity, amount(hour.drawn), amount(hour.added), amount(hour.remaining),
  ]);
  const head = ["Hour from", "Rarity", "#drawn", "#added", "#left at its end"];
  return dataTable(`${title(banner)}, hours with changes`, head, rows);
}
