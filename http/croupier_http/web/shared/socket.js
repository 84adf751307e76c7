/** A WebSocket: pushes, and commands with less overhead than HTTP; it comes back by itself when it is lost. */

import { ApiError, unanswered } from "./api.js";

const PROTOCOL = "croupier.json";
const TICKET = "/api/games/ws/ticket";
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;
const PING_MS = 20_000;
const REPLY_DEADLINE_MS = 10_000;
const OPENING_DEADLINE_MS = 12_000;
const REFUSED = 4403;
const FOR_GOOD = new Set([4401, REFUSED]);

/**
 * A socket that is opened again, after a random wait, whenever it is lost. Events: `state`; `hello` (detail: the push),
 * after which everything known must be taken from it or asked for again; `push` (detail: any other push).
 */
export class LiveSocket extends EventTarget {
  #api;
  #path;
  #socket = null;
  #waiting = new Map();
  #nextId = 1;
  #failures = 0;
  /** Counts attempts, so that what comes of one that was given up is told from the next. */
  #attempt = 0;
  /** Until the next attempt; during one, until it must have been greeted. */
  #timer = 0;
  #hint = null;
  #wanted = false;

  /**
   * @param {import("./api.js").Api} api gives the tickets
   * @param {string} path such as `/api/games/ws`
   */
  constructor(api, path) {
    super();
    this.#api = api;
    this.#path = path;
    /** @type {"closed"|"connecting"|"open"|"refused"} */
    this.state = "closed";
    /** Whether events are pushed while it is open. */
    this.live = false;
    // A browser that comes online again is reachable after its next request.
    api.addEventListener("reachable", () => this.#wanted && this.#again());
    setInterval(() => this.#ping(), PING_MS);
  }

  /** Connect, and stay connected. */
  open() {
    this.#wanted = true;
    this.#connectIn(0);
  }

  /** Close for good. */
  close() {
    this.#wanted = false;
    this.#drop();
  }

  /**
   * Give a command. Raises ApiError; with the code `OFFLINE` where the connection was lost before the reply, so that
   * the same command, with the same key, is to be sent again by some way.
   * @param {string} command such as `gacha.pull`
   * @param {object} [body]
   * @param {string} [key]
   * @returns {Promise<any>} the reply's body
   */
  request(command, body = {}, key = undefined) {
    const socket = this.#socket;
    if (this.state !== "open" || !socket) return Promise.reject(unanswered(true));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      // A connection that swallows a command is as good as lost.
      const deadline = setTimeout(() => socket === this.#socket && this.#drop(), REPLY_DEADLINE_MS);
      this.#waiting.set(id, { resolve, reject, deadline });
      socket.send(JSON.stringify(key ? [id, command, body, key] : [id, command, body]));
    });
  }

  #connectIn(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), ms);
  }

  /** What was begun before the way was open may hang for ever; what is open may be dead. */
  #again() {
    if (this.state === "open") return this.#ping();
    if (this.state === "refused") return;
    this.#drop();
    this.#connectIn(0);
  }

  async #connect() {
    if (!this.#wanted || this.state === "connecting" || this.state === "open") return;
    this.#become("connecting");
    const attempt = ++this.#attempt;
    // Ticket, handshake and greeting together: none of them says anything where the connection has died.
    this.#timer = setTimeout(() => this.#drop(), OPENING_DEADLINE_MS);
    let ticket;
    try {
      ({ ticket } = await this.#api.once("POST", TICKET, {}));
    } catch (error) {
      if (attempt !== this.#attempt) return;
      const final = error instanceof ApiError && [401, 403, 404].includes(error.status);
      return this.#closed(final ? REFUSED : 0);
    }
    // Given up, or closed, while the ticket was on its way.
    if (attempt !== this.#attempt) return;
    const address = new URL(this.#path, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    address.searchParams.set("ticket", ticket);
    const socket = new WebSocket(address, [PROTOCOL]);
    this.#socket = socket;
    socket.addEventListener("message", (event) => socket === this.#socket && this.#received(event.data));
    socket.addEventListener("close", (event) => socket === this.#socket && this.#closed(event.code));
  }

  #received(text) {
    const frame = JSON.parse(text);
    if (!Array.isArray(frame)) return this.#pushed(frame);
    for (const reply of Array.isArray(frame[0]) ? frame : [frame]) this.#replied(...reply);
  }

  #replied(id, status, body, headers = {}) {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.deadline);
    const seconds = Number(headers.retry_after ?? NaN);
    if (status < 400) waiting.resolve(body);
    else waiting.reject(new ApiError(status, body, Number.isFinite(seconds) ? seconds * 1000 : null));
  }

  #pushed(push) {
    if (push.type === "hello" || push.type === "monitor_snapshot") {
      this.#failures = 0;
      clearTimeout(this.#timer);
      this.live = push.live;
      this.#become("open");
      this.dispatchEvent(new CustomEvent("hello", { detail: push }));
    } else if (push.type === "reconnect") {
      this.#hint = push.after_ms;
    } else {
      this.dispatchEvent(new CustomEvent("push", { detail: push }));
    }
  }

  #closed(code) {
    clearTimeout(this.#timer);
    this.#attempt += 1;
    this.#socket = null;
    for (const { reject, deadline } of this.#waiting.values()) {
      clearTimeout(deadline);
      reject(unanswered(true));
    }
    this.#waiting.clear();
    if (FOR_GOOD.has(code)) return this.#become("refused");
    this.#become("closed");
    if (!this.#wanted) return;
    const backoffMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures++);
    this.#connectIn((this.#hint ?? backoffMs) * (0.5 + Math.random()));
    this.#hint = null;
  }

  /** Give a connection up without waiting for its closing handshake, which a dead one never completes. */
  #drop() {
    this.#socket?.close();
    this.#closed(0);
  }

  #ping() {
    if (this.state === "open") this.request("ping").catch(() => {});
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
