/** The dialog that verifies a draw, and the buttons that open it. */

import { byId, el } from "../shared/dom.js";
import { note } from "../shared/noted.js";
import { showReceipt } from "../shared/verify.js";

/** Opens receipts of the player's own events. */
export class Verifier {
  #place;
  #dialog = byId("verifier");

  /**
   * @param {import("../shared/api.js").Api} api
   * @param {import("./player.js").Player} player
   */
  constructor(api, player) {
    this.#place = { element: byId("verifier-body"), api, rotate: () => rotate(player) };
    byId("verifier-close").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("click", (event) => event.target === this.#dialog && this.#dialog.close());
  }

  /**
   * A button that verifies an event.
   * @param {string} eventId
   * @param {string} label
   * @param {string} [what] names the event, after the label, for those who only hear the button
   * @returns {HTMLElement}
   */
  button(eventId, label, what = "") {
    const properties = { type: "button", class: "small", onclick: () => this.open(eventId) };
    return el("button", properties, label, what && el("span", { class: "heard" }, ` ${what}`));
  }

  /** @param {string} eventId */
  open(eventId) {
    this.#dialog.showModal();
    return showReceipt(this.#place, eventId);
  }
}

/**
 * Rotate the player's seed, and note the new commitment.
 * @param {import("./player.js").Player} player
 * @param {string} [clientSeed]
 * @returns {Promise<any>} the reply
 */
export async function rotate(player, clientSeed) {
  const reply = await player.command("fairness.rotate", clientSeed ? { client_seed: clientSeed } : {});
  note(reply.commitment);
  return reply;
}
