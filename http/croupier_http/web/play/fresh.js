/** Reading the history until it has a certain event: the database learns of it a moment after the player. */

import { pause } from "../shared/dom.js";

const TRIES = 8;
const WAIT_MS = 100;

/**
 * A function that reads a page of the history and shows it, again and again until the event of that id is in it. A
 * later call ends an earlier one.
 * @param {import("../shared/api.js").Api} api
 * @param {() => object} parameters of the history, when it is read
 * @param {(page: any) => void} show
 * @param {(error: any) => void} [fail]
 * @returns {(eventId?: string|null) => Promise<void>}
 */
export function freshHistory(api, parameters, show, fail = () => {}) {
  let latest = 0;
  return async (eventId = null) => {
    const call = ++latest;
    try {
      for (let tried = 1; tried <= TRIES; tried += 1) {
        const page = await api.get("/api/games/history", parameters());
        if (call !== latest) return;
        show(page);
        if (!eventId || page.items.some((item) => item.event_id === eventId)) return;
        await pause(WAIT_MS * tried);
        if (call !== latest) return;
      }
    } catch (error) {
      fail(error);
    }
  };
}
