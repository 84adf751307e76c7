/** Panel "Fairness": how often each rarity was drawn, against the odds that are disclosed. */

import { byId, el, fill } from "../shared/dom.js";
import { amount, dayAndTime, short, title } from "../shared/format.js";
import { dataTable } from "../shared/table.js";
import { deviation } from "./charts.js";
import { percent, probability } from "./figures.js";
import { aside, state } from "./parts.js";
import { poll } from "./views.js";

const EVERY_MS = 30_000;
const HEAD = [
  "Rarity", "#table weight", "#expected", "#observed", "#expected share", "#observed share", "95 % band of the share",
  "#deviation, σ", "Deviation",
];
const Z95 = 1.96;
/** With some banners looked at twice a minute, one in a hundred would be seen every day; one in ten thousand is not. */
const UNUSUAL = 0.01;
const ALARM = 0.0001;

/** @param {import("./main.js").App} app */
export function mountOdds({ api }) {
  const pulls = byId("odds-pulls");
  const ask = poll("fairness", EVERY_MS, async () => {
    show(await api.once("GET", `/api/admin/odds?pulls=${pulls.value}`));
  });
  pulls.addEventListener("change", ask);
}

function show(reply) {
  const which = reply.complete ? "all there ever were" : "the newest ones";
  const until = dayAndTime(reply.as_of);
  byId("odds-summary").textContent = `${amount(reply.pulls)} pulls counted: ${which}, up to ${until}.`;
  const none = el("div", { class: "panel" }, aside("Nothing was pulled yet."));
  fill(byId("odds-list"), reply.items.length ? reply.items.map(panel) : none);
}

function panel(group) {
  const rows = group.rarities.map((each) => row(group, each));
  const dates = `${dayAndTime(group.first_at)} to ${dayAndTime(group.last_at)}`;
  return el(
    "div",
    { class: "panel" },
    el(
      "div",
      { class: "head" },
      el("h2", {}, title(group.banner), " ", economy(group)),
      verdict(group),
    ),
    aside(`${amount(group.draws)} draws in ${amount(group.pulls)} pulls, ${dates}.`),
    dataTable(`Draws from ${title(group.banner)}, economy ${short(group.economy)}`, HEAD, rows),
    aside(testText(group)),
  );
}

function economy(group) {
  const version = el("code", { title: group.economy }, short(group.economy));
  return el("span", { class: "muted" }, "economy ", version, group.in_force ? ", in force" : ", past");
}

function row(group, each) {
  const z = each.deviation ? (each.observed - each.expected) / each.deviation : 0;
  const low = Math.max(0, each.expected - Z95 * each.deviation) / group.draws;
  const high = Math.min(group.draws, each.expected + Z95 * each.deviation) / group.draws;
  return [
    el("strong", { class: `toned tone-${each.rarity}` }, each.rarity),
    percent(each.weight_ppm / 1_000_000, 2),
    each.expected.toFixed(1),
    amount(each.observed),
    percent(each.expected / group.draws, 2),
    percent(each.observed / group.draws, 2),
    `${percent(low, 2)} to ${percent(high, 2)}`,
    (z < 0 ? "−" : "+") + Math.abs(z).toFixed(2),
    deviation({ title: `${each.rarity} of ${title(group.banner)}`, z }),
  ];
}

function verdict(group) {
  if (group.p_value === null) return state("idle", "Too few draws to judge");
  const p = `p = ${probability(group.p_value)}`;
  if (group.p_value < ALARM) return state("bad", `Not as disclosed: ${p}`);
  return group.p_value < UNUSUAL ? state("warn", `Unusual: ${p}`) : state("good", `As disclosed: ${p}`);
}

function testText(group) {
  if (group.p_value === null) return "A test needs two groups of rarities that are expected at least five times each.";
  if (group.chi_square === null) return "A rarity was drawn where the disclosed odds allow none.";
  const groups = group.tested.map((rarities) => rarities.join(" with ")).join(", ");
  const degrees = group.degrees_of_freedom;
  const freedom = `${degrees} degree${degrees === 1 ? "" : "s"} of freedom`;
  const meaning = "p is the probability of at least such a deviation where the odds are as disclosed.";
  return `Chi-square ${group.chi_square.toFixed(2)} with ${freedom}, of ${groups}. ${meaning}`;
}
