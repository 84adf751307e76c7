/** What is known of the player: balances, and that something happened. */

import { byId } from "../shared/dom.js";
import { amount } from "../shared/format.js";

const SETTLE_MS = 150;
const REMEMBERED = 200;
const ROUND = /^(gacha|crash|slot|rps)\./;

/**
 * Events: `event` (detail: an event as it was pushed) for what happened elsewhere; `played` (detail: id of the
 * event, null where it is no round of a game) after anything at all, own commands included.
 */
export class Player extends EventTarget {
  #api;
  #client;
  #known = new Set();
  #taken = 0;
  #timer = 0;

  /**
   * @param {import("../shared/api.js").Api} api
   * @param {import("../shared/client.js").Client} client
   */
  constructor(api, client) {
    super();
    this.#api = api;
    this.#client = client;
    this.balances = { tokens: 0, gems: 0 };
  }

  /**
   * Give a command, and take the balances of its reply. Raises ApiError.
   * @param {string} name
   * @param {object} [body]
   * @returns {Promise<any>}
   */
  async command(name, body) {
    const reply = await this.#client.command(name, body);
    this.take({ tokens: reply.balance, gems: reply.gems });
    const eventId = reply.receipt?.event_id;
    if (eventId && this.#learn(eventId)) this.#tell(eventId, name);
    return reply;
  }

  /**
   * Take and show balances; those that are not given stay.
   * @param {{tokens?: number, gems?: number}} balances
   */
  take({ tokens, gems }) {
    this.#taken += 1;
    this.balances = { tokens: tokens ?? this.balances.tokens, gems: gems ?? this.balances.gems };
    byId("tokens").textContent = amount(this.balances.tokens);
    byId("gems").textContent = amount(this.balances.gems);
  }

  /** Ask for the balances; again, where others came meanwhile: then it is not known which are newer. */
  async refresh() {
    const taken = this.#taken;
    try {
      const wallet = await this.#api.get("/api/wallet");
      if (taken === this.#taken) this.take(wallet);
      else await this.refresh();
    } catch {
      // The page asks again once the server can be reached.
    }
  }

  /**
   * An event was pushed: of this page's own command, or of another worker, tab or the server itself.
   * @param {{event_id: string, event_type: string, result: Record<string, any>}} event
   */
  pushed(event) {
    if (!this.#learn(event.event_id)) return;
    this.dispatchEvent(new CustomEvent("event", { detail: event }));
    this.#tell(event.event_id, event.event_type);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), SETTLE_MS);
  }

  /** Whether the event is new here: one's own comes twice, in either order, as a reply and as a push. */
  #learn(eventId) {
    if (this.#known.has(eventId)) return false;
    this.#known.add(eventId);
    if (this.#known.size > REMEMBERED) this.#known.delete(this.#known.values().next().value);
    return true;
  }

  #tell(eventId, type) {
    this.dispatchEvent(new CustomEvent("played", { detail: ROUND.test(type) ? eventId : null }));
  }
}
