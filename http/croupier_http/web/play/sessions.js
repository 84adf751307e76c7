/** Sessions: one per game, each sums up what is played in it. */

import { announce, byId, el, fill } from "../shared/dom.js";
import { clearError, showError } from "../shared/errors.js";
import { amount, change, duration, GAMES, time } from "../shared/format.js";
import { gameName } from "./describe.js";

/**
 * @param {import("./main.js").App} app
 * @returns {{resync: () => void}}
 */
export function mountSessions({ player }) {
  const error = byId("sessions-error");
  const cards = new Map(
    Object.keys(GAMES).map((game) => [game, el("article", { class: "panel stack", "aria-label": gameName(game) })]),
  );

  async function give(name, body, then) {
    clearError(error);
    try {
      then(await player.command(name, body));
    } catch (problem) {
      showError(error, problem);
    }
  }

  function idle(game, result = null) {
    const start = () => give("session.start", { game_type: game }, (reply) => running(game, reply));
    fill(
      cards.get(game),
      el("h2", {}, gameName(game)),
      result
        ? summary(result)
        : el("p", { class: "muted" }, "No session shown. Starting finds one that is open."),
      el("button", { type: "button", onclick: start }, "Start"),
    );
  }

  function running(game, { session_id: id, started_at: since }) {
    const end = () => give("session.end", { session_id: id }, (reply) => ended(game, reply.result_data));
    fill(
      cards.get(game),
      el("h2", {}, gameName(game)),
      el("p", {}, `Open since ${time(since)}.`),
      el("button", { type: "button", class: "primary", onclick: end }, "End"),
    );
    announce(`A session in ${gameName(game)} is open.`);
  }

  function ended(game, result) {
    idle(game, result);
    announce(`The session in ${gameName(game)} came to ${change(result.net)} tokens.`);
  }

  for (const game of cards.keys()) idle(game);
  fill(byId("session-list"), [...cards.values()]);
  player.addEventListener("event", ({ detail }) => {
    const result = detail.event_type === "session.ended" && detail.result?.result_data;
    if (result && cards.has(detail.result.game_type)) ended(detail.result.game_type, result);
  });
  return { resync() {} };
}

function summary(result) {
  const facts = [
    ["Time", duration(result.duration)],
    ["Rounds", amount(result.rounds)],
    ["Bet", amount(result.total_bet)],
    ["Won", amount(result.total_win)],
    ["Net", change(result.net)],
  ];
  return el(
    "dl",
    { class: "facts" },
    facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
  );
}
