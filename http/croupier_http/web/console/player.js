/** Panel "Player": what Redis holds of one, what the rounds came to, and the last events. */

import { byId, el, fill } from "../shared/dom.js";
import { amount, change, dayAndTime, GAMES, title } from "../shared/format.js";
import { dataTable } from "../shared/table.js";
import { EventList } from "./log.js";
import { code } from "./parts.js";
import { attempt } from "./views.js";

/** Bits of the field `sessions` of a player's record. */
const SESSIONS = { gacha: 1, crash: 2, slot: 4, rps: 8 };

/**
 * @param {import("./main.js").App} app
 * @returns {(userId: number) => void} shows a player
 */
export function mountPlayer(app) {
  const lookUp = () => show(app, byId("player-id").value.trim());
  byId("player-form").addEventListener("submit", (event) => {
    event.preventDefault();
    lookUp();
  });
  return (userId) => {
    byId("player-id").value = String(userId);
    lookUp();
  };
}

async function show(app, userId) {
  const place = byId("player-found");
  fill(place);
  await attempt("player", async () => {
    const id = encodeURIComponent(userId);
    const [state, stats] = await Promise.all([
      app.api.get(`/api/admin/players/${id}`),
      app.api.get(`/api/games/stats/${id}`).catch(() => null),
    ]);
    const list = el("div");
    const more = el("button", { type: "button", hidden: true }, "Older");
    const note = el("p", { class: "muted", role: "status" });
    fill(
      place,
      el("div", { class: "panel" }, el("h2", {}, `Player ${state.user_id}`), summary(state)),
      stats && el("div", { class: "panel" }, rounds(stats)),
      el("div", { class: "panel" }, el("h2", {}, "Last events"), list, el("div", { class: "actions" }, more, note)),
      state.records.map(record),
    );
    await new EventList(app, "player", list, more, note).search({ user_id: userId });
  });
}

function summary(state) {
  const fields = Object.fromEntries(state.records[0].fields.map(({ field, value }) => [field, value]));
  const excludedMs = Number(fields.excluded_until_ms);
  const facts = [
    ["Tokens", amount(fields.tokens)],
    ["Gems", amount(fields.gems)],
    ["Banned", fields.flags & 1 ? "yes" : "no"],
    ["Excluded until", excludedMs > Date.now() ? dayAndTime(new Date(excludedMs).toISOString()) : "not excluded"],
    ["Open sessions", openSessions(fields.sessions)],
    ["Nonce", amount(fields.nonce)],
    ["Client seed", code(String(fields.client_seed))],
    ["Commitment", code(String(fields.commitment))],
  ];
  return el("dl", { class: "facts" }, facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function openSessions(bits) {
  const open = Object.keys(SESSIONS).filter((game) => bits & SESSIONS[game]);
  return open.map((game) => GAMES[game]).join("; ") || "none";
}

function rounds(stats) {
  const rows = Object.entries(stats.games).map(([game, each]) => [
    GAMES[game] ?? title(game),
    ...[each.rounds, each.wins, each.losses, each.total_bet, each.total_win].map(amount),
    change(each.net),
    amount(each.biggest_win),
    each.last_played_at ? dayAndTime(each.last_played_at) : "never",
  ]);
  const head = ["Game", "#rounds", "#won", "#lost", "#bet", "#won tokens", "#net", "#biggest win", "Last"];
  return dataTable("Rounds", head, rows);
}

/** Every field as it is stored. Of what may be secret the server says only whether it is there. */
function record({ kind, name, fields }) {
  const rows = fields.map(({ field, value, meaning }) => [code(field), code(String(value)), meaning]);
  const caption = [title(kind), name].filter(Boolean).join(" ");
  const table = dataTable(caption, ["Field", "Value", "Meaning"], rows);
  return el("details", { class: "panel" }, el("summary", {}, `Record: ${caption}`), table);
}
