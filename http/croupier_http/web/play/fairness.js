/** The player's seeds: the commitment in force, and rotating. */

import { announce, byId, el, fill } from "../shared/dom.js";
import { clearError, showError } from "../shared/errors.js";
import { amount } from "../shared/format.js";
import { note } from "../shared/noted.js";
import { rotate } from "./verifier.js";

/**
 * @param {import("./main.js").App} app
 * @returns {{resync: () => void}}
 */
export function mountFairness({ api, player }) {
  const view = byId("fairness");
  const error = byId("fairness-error");

  async function read() {
    try {
      const state = await api.get("/api/fairness");
      note(state.commitment);
      const facts = [
        ["Commitment", el("code", {}, state.commitment)],
        ["Your seed", el("code", {}, state.client_seed)],
        ["Next nonce", amount(state.next_nonce)],
        ["Seeds used", amount(state.generation)],
      ];
      fill(
        byId("fairness-facts"),
        facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
      );
    } catch (problem) {
      showError(error, problem);
    }
  }

  byId("rotate-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    clearError(error);
    try {
      const { revealed } = await rotate(player, byId("client-seed").value);
      fill(
        byId("revealed"),
        el(
          "p",
          {},
          "Revealed. Everything drawn with this seed can be verified now, up to nonce ",
          amount(revealed.last_nonce),
          ".",
        ),
        el("code", {}, revealed.server_seed),
      );
      byId("client-seed").value = "";
      announce("The seed is revealed, and the server has committed to a new one.");
    } catch (problem) {
      showError(error, problem);
    }
  });
  view.addEventListener("shown", read);
  player.addEventListener("played", () => !view.hidden && read());
  return { resync: read };
}
