/** Rock, paper, scissors. */

import { announce, byId, el, fill, icon, isEnabled, setEnabled } from "../shared/dom.js";
import { clearError, showError } from "../shared/errors.js";
import { fraction, title } from "../shared/format.js";
import { dataTable } from "../shared/table.js";
import { betOf, edition, net, oddsWithRules } from "./rounds.js";

const WORDS = { WIN: "You win", LOSE: "You lose", DRAW: "A draw" };

/**
 * @param {import("./main.js").App} app
 * @returns {{resync: () => void}}
 */
export function mountRps({ api, player, verifier }) {
  const error = byId("rps-error");
  const moves = [...document.querySelectorAll(".move")];

  async function read() {
    try {
      const { economy, odds } = await api.get("/api/games/rps/odds");
      const rtp = `${Number(odds.rtp.percent).toFixed(2)} % on average`;
      byId("rps-note").textContent =
        `A win pays ${odds.win_percent / 100} times the bet, a draw gives it back: ${rtp}.`;
      const rows = ["win", "draw", "lose"].map((name) => [
        title(name),
        `${odds[name].percent} %`,
        fraction(odds[name]),
      ]);
      fill(
        byId("rps-odds"),
        oddsWithRules(
          odds,
          [dataTable("Whatever your move", ["Outcome", "#Chance", "#Exactly"], rows)],
          edition(economy, api.nowMs()),
        ),
      );
    } catch (problem) {
      showError(error, problem);
    }
  }

  async function play(move) {
    const bet = betOf(byId("rps-bet"));
    enable(false);
    clearError(error);
    try {
      const reply = await player.command("rps.play", { player_move: move, bet_amount: bet });
      show(bet, reply);
      enable(true);
    } catch (problem) {
      showError(error, problem, () => enable(true));
    }
  }

  function show(bet, reply) {
    const text = `${WORDS[reply.outcome]}. ${net(bet, reply.payout)}`;
    fill(
      byId("duel"),
      token(reply.player_move, "You"),
      el("span", { "aria-hidden": "true" }, "against"),
      token(reply.server_move, "Croupier"),
    );
    fill(
      byId("rps-outcome"),
      el("strong", {}, text),
      reply.deterministic ? el("span", {}, "Decided by a setting for tests.") : null,
      verifier.button(reply.receipt.event_id, "Verify this game"),
    );
    announce(`${name(reply.player_move)} against ${name(reply.server_move)}. ${text}`);
  }

  function enable(on) {
    for (const button of moves) setEnabled(button, on);
  }

  for (const button of moves) {
    button.addEventListener("click", () => isEnabled(button) && play(button.dataset.move));
  }
  return { resync: read };
}

function token(move, who) {
  return el(
    "figure",
    {},
    el("span", { class: "token" }, icon(move.toLowerCase())),
    el("figcaption", {}, `${who}: ${name(move)}`),
  );
}

const name = (move) => title(move.toLowerCase());
