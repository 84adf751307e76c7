/** Requests to the server over HTTP: the token, idempotency keys, errors as objects, and when to try again. */

import { pause } from "./dom.js";

const RETRY_AFTER_MAX_MS = 3000;
const TRIES = 4;
const PROBE_MS = 1000;
/** More than the server takes for its slowest reply. Without it a connection that has died is waited for for ever. */
const REPLY_DEADLINE_MS = 15_000;
const PROBE_DEADLINE_MS = 5000;

/** What the server refused, or, with the code `OFFLINE` and status 0, a request that did not reach it. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {Record<string, any>} body the error as the server sent it
   * @param {number|null} retryAfterMs when the same request may be sent again
   */
  constructor(status, body, retryAfterMs = null) {
    super(body.message ?? `The server answered with status ${status}.`);
    this.status = status;
    this.code = body.code ?? "INTERNAL";
    this.body = body;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether it is known that the request is to be sent again, with the same key. */
  get passing() {
    return this.status === 0 || this.status === 503 || this.code === "RATE_LIMITED";
  }
}

/**
 * A request without a reply: of one that changes something it is not known whether it was carried out.
 * @param {boolean} changes
 * @returns {ApiError}
 */
export function unanswered(changes) {
  const then = changes ? " If this was carried out, your history will show it once the connection is back." : "";
  return new ApiError(0, { code: "OFFLINE", message: `The server cannot be reached.${then}` });
}

/** A key for a command: whatever happens to connections, the command runs at most once under it. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

/**
 * Try until it succeeds, fails for good, or would have to wait longer than a player does without being told.
 * @template T
 * @param {() => Promise<T>} attempt must send the same request, with the same key, each time
 * @returns {Promise<T>}
 */
export async function persistently(attempt) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ApiError) || !error.passing || tried === TRIES) throw error;
      const waitMs = error.retryAfterMs ?? 200 * 2 ** tried;
      if (waitMs > RETRY_AFTER_MAX_MS) throw error;
      await pause(waitMs + Math.random() * 250);
    }
  }
}

/**
 * The server. Events: `reachable` when a request arrives again after `unreachable`; `unauthenticated` when the token is
 * no longer good.
 */
export class Api extends EventTarget {
  #token;
  #probing = false;
  #clockIsExact = false;

  /** @param {string} token access token */
  constructor(token) {
    super();
    this.#token = token;
    this.reachable = true;
    /** Server's clock less this machine's, in ms. */
    this.clockOffsetMs = 0;
    addEventListener("offline", () => this.#lost());
  }

  /**
   * Ask. Parameters that are null or empty are left out.
   * @param {string} path
   * @param {Record<string, any>} [parameters]
   * @returns {Promise<any>}
   */
  get(path, parameters = {}) {
    const given = Object.entries(parameters).filter(
      ([, value]) => value !== null && value !== undefined && value !== "",
    );
    const query = new URLSearchParams(given).toString();
    return persistently(() => this.once("GET", query ? `${path}?${query}` : path));
  }

  /**
   * Give a command, under a key of its own.
   * @param {string} path
   * @param {object} [body]
   * @param {string} [key]
   * @returns {Promise<any>}
   */
  post(path, body = {}, key = newKey()) {
    return persistently(() => this.once("POST", path, body, key));
  }

  /**
   * Send one request once.
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @param {string} [key]
   * @returns {Promise<any>} the reply's body
   */
  async once(method, path, body, key) {
    const headers = { Authorization: `Bearer ${this.#token}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (key) headers["Idempotency-Key"] = key;
    let reply;
    let answer;
    try {
      const signal = AbortSignal.timeout(REPLY_DEADLINE_MS);
      reply = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store", signal });
      answer = await reply.json();
    } catch (cause) {
      if (!reply || !(cause instanceof SyntaxError)) {
        this.#lost();
        throw unanswered(method !== "GET");
      }
      answer = {};
    }
    this.#setClockRoughly(reply.headers.get("Date"));
    if (reply.ok) return answer;
    if (reply.status === 401) this.dispatchEvent(new Event("unauthenticated"));
    throw new ApiError(reply.status, answer, retryAfterMs(reply.headers.get("Retry-After")));
  }

  /** Now on the server's clock, in Unix ms. */
  nowMs() {
    return Date.now() + this.clockOffsetMs;
  }

  /**
   * Take the server's time to the millisecond, as a push tells it.
   * @param {number} serverMs
   */
  setClock(serverMs) {
    this.#clockIsExact = true;
    this.clockOffsetMs = serverMs - Date.now();
  }

  /** Take it from the header `Date`, which has whole seconds: within those the two clocks count as equal. */
  #setClockRoughly(date) {
    if (this.#clockIsExact || !date) return;
    const offsetMs = Date.parse(date) + 500 - Date.now();
    this.clockOffsetMs = Math.abs(offsetMs) > 1500 ? offsetMs : 0;
  }

  async #lost() {
    if (this.#probing) return;
    this.#probing = true;
    this.reachable = false;
    this.dispatchEvent(new Event("unreachable"));
    while (!(await answers("/health"))) await pause(PROBE_MS * (0.5 + Math.random()));
    this.#probing = false;
    this.reachable = true;
    this.dispatchEvent(new Event("reachable"));
  }
}

async function answers(path) {
  try {
    return (await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PROBE_DEADLINE_MS) })).ok;
  } catch {
    return false;
  }
}

function retryAfterMs(header) {
  const seconds = Number(header);
  return header !== null && Number.isFinite(seconds) ? seconds * 1000 : null;
}
