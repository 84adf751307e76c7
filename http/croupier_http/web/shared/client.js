/** Commands by whichever way is open: the WebSocket, or HTTP while that is down. */

import { newKey, persistently } from "./api.js";

const PATHS = { "fairness.rotate": "/api/fairness/rotate" };

/** A player's commands. */
export class Client {
  #api;
  #socket;

  /**
   * @param {import("./api.js").Api} api
   * @param {import("./socket.js").LiveSocket} socket
   */
  constructor(api, socket) {
    this.#api = api;
    this.#socket = socket;
  }

  /**
   * Give a command. It has one key over all attempts and both ways, so it is carried out at most once. Raises ApiError.
   * @param {string} name such as `gacha.pull`
   * @param {object} [body]
   * @returns {Promise<any>} the reply's body
   */
  command(name, body = {}) {
    const key = newKey();
    const path = PATHS[name] ?? `/api/games/${name.replace(".", "/")}`;
    return persistently(() =>
      this.#socket.state === "open"
        ? this.#socket.request(name, body, key)
        : this.#api.once("POST", path, body, key),
    );
  }
}
