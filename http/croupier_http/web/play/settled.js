/** The event by which the server has settled a round of crash. */

import { pause } from "../shared/dom.js";

const TRIES = 10;
const WAIT_MS = 150;
const NEWEST = 10;

/**
 * @param {import("../shared/api.js").Api} api
 * @param {string} gameId
 * @returns {Promise<string|null>} its id; null where the history does not have it after a while
 */
export async function settledEvent(api, gameId) {
  for (let tried = 0; tried < TRIES; tried += 1) {
    const { items } = await api.get("/api/games/history", { game_type: "crash", limit: NEWEST });
    const found = items.find((item) => item.result_meta.game_id === gameId && item.action_type !== "bet");
    if (found) return found.event_id;
    await pause(WAIT_MS);
  }
  return null;
}
