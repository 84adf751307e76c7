/** Panel "Fairness": what was drawn in each game, against the odds that are disclosed. */

import { byId, el, fill } from "../shared/dom.js";
import { amount, dayAndTime, GAMES, short, title } from "../shared/format.js";
import { RARITIES } from "../shared/gacha.js";
import { dataTable } from "../shared/table.js";
import { deviation } from "./charts.js";
import { percent, probability } from "./figures.js";
import { aside, counted, state } from "./parts.js";
import { poll } from "./views.js";

const EVERY_MS = 30_000;
const Z95 = 1.96;
const HEAD = [
  "#expected", "#observed", "#expected share", "#observed share", "#95 % band of the share", "#deviation, σ",
  "Deviation",
];
/** With some banners looked at twice a minute, one in a hundred would be seen every day; one in ten thousand is not. */
const UNUSUAL = 0.01;
const ALARM = 0.0001;

/** @param {import("./main.js").App} app */
export function mountOdds({ api }) {
  const rounds = byId("odds-rounds");
  const ask = poll("fairness", EVERY_MS, async () => {
    show(await api.once("GET", `/api/admin/odds?rounds=${rounds.value}`));
  });
  rounds.addEventListener("change", ask);
}

/** Tables that were opened stay open when the figures change. */
function show(reply) {
  const list = byId("odds-list");
  const open = new Set([...list.querySelectorAll("details[open]")].map((each) => each.dataset.table));
  const which = reply.complete ? "all there ever were" : "the newest ones of each game";
  const counts = `${counted(reply.rounds, "round")} counted: ${which}, up to ${dayAndTime(reply.as_of)}.`;
  byId("odds-summary").textContent = reply.rounds ? counts : "";
  const none = el("div", { class: "panel" }, aside("Nothing was played yet."));
  fill(list, reply.items.length ? reply.items.map((group) => panel(group, open)) : none);
}

function panel(group, open) {
  const name = group.banner === null ? GAMES[group.game] : title(group.banner);
  const [first, ...others] = group.tables;
  const dates = `${dayAndTime(group.first_at)} to ${dayAndTime(group.last_at)}`;
  return el(
    "div",
    { class: "panel" },
    el("div", { class: "head" }, el("h2", {}, name, " ", economy(group)), verdict(group)),
    aside(`${counted(group.rounds, "round")}, ${dates}. ${judged(group)}`),
    group.rtp && returned(group.rtp),
    table(name, first),
    others.map((each) => folded(name, each, `${group.game} ${group.banner} ${group.economy} ${each.name}`, open)),
  );
}

function economy(group) {
  const version = el("code", { title: group.economy }, short(group.economy));
  return el("span", { class: "muted" }, "economy ", version, group.in_force ? ", in force" : ", past");
}

function judged({ p_value: p, tables }) {
  const n = tables.filter((each) => each.p_value !== null).length;
  return p === null || n < 2 ? "" : `p is that of the table which fits worst, times the ${n} tables that were tested.`;
}

function returned({ observed, expected, deviation: sigma }) {
  const low = Math.max(0, expected - Z95 * sigma);
  const range = `${low.toFixed(1)} to ${(expected + Z95 * sigma).toFixed(1)} %`;
  const odd = Math.abs(observed - expected) > Z95 * sigma ? ", outside it" : "";
  const [was, is] = [observed, expected].map((value) => `${value.toFixed(2)} %`);
  return el("p", {}, `Return to player ${was}; disclosed ${is}, 95 % band ${range}${odd}.`);
}

function folded(name, each, key, open) {
  const summary = el("summary", {}, `${each.name} `, verdict(each));
  return el("details", { "data-table": key, open: open.has(key) }, summary, table(name, each));
}

function table(name, each) {
  const rows = each.outcomes.map((outcome) => row(name, each, outcome));
  const caption = `${name}: ${each.name.toLowerCase()}, ${counted(each.draws, "draw")}`;
  return el("div", {}, dataTable(caption, [each.name, ...HEAD], rows), aside(testText(each)));
}

function row(name, { draws }, { outcome, observed, expected, deviation: sigma }) {
  const z = sigma ? (observed - expected) / sigma : 0;
  const share = (value) => (draws ? percent(Math.max(0, Math.min(draws, value)) / draws, 2) : "–");
  return [
    el("strong", { class: RARITIES.includes(outcome) && `toned tone-${outcome}` }, named(outcome)),
    expected.toFixed(1),
    amount(observed),
    share(expected),
    share(observed),
    draws ? `${share(expected - Z95 * sigma)} to ${share(expected + Z95 * sigma)}` : "–",
    (z < 0 ? "−" : "+") + Math.abs(z).toFixed(2),
    deviation({ title: `${named(outcome)} of ${name}`, z }),
  ];
}

/** Items have names such as `ruby_dice`, moves and outcomes such as `ROCK`. */
const named = (outcome) => title(outcome.toLowerCase());

function verdict({ p_value: value }) {
  if (value === null) return state("idle", "Too few draws to judge");
  const p = `p = ${probability(value)}`;
  if (value < ALARM) return state("bad", `Not as disclosed: ${p}`);
  return value < UNUSUAL ? state("warn", `Unusual: ${p}`) : state("good", `As disclosed: ${p}`);
}

function testText(each) {
  if (each.p_value === null) return "A test needs two groups of outcomes that are expected at least five times each.";
  if (each.chi_square === null) return "Something was drawn that the disclosed odds rule out.";
  const freedom = counted(each.degrees_of_freedom, "degree");
  const merged = each.tested.filter((names) => names.length > 1);
  const groups = merged.map((names) => `“${named(names[0])}” to “${named(names.at(-1))}”`).join("; ");
  const together = groups ? ` Too rare alone, and tested together: ${groups}.` : "";
  return `Chi-square ${each.chi_square.toFixed(2)} with ${freedom} of freedom.${together}`;
}
