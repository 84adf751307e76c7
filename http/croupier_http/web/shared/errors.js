/** What went wrong, in words for the player, and until when. */

import { el, fill } from "./dom.js";
import { amount, dayAndTime, duration } from "./format.js";

/** So long an error stays after the end of its countdown. */
const READING_MS = 10_000;

/** @type {Record<string, (body: Record<string, any>) => string>} */
const TEXTS = {
  INSUFFICIENT_BALANCE: (body) =>
    `Not enough: this needs ${amount(body.required)}, and you have ${amount(body.balance)}.`,
  BET_OUT_OF_RANGE: (body) =>
    `Bets are from ${amount(body.min)} to ${amount(body.max)} tokens, in steps of ${amount(body.step)}.`,
  DAILY_GACHA_LIMIT: (body) =>
    `You have used all ${body.limit} pulls of today. The next day begins ${dayAndTime(body.resets_at)}.`,
  RATE_LIMITED: () => "That was a little fast.",
  CRASH_BET_ACTIVE: () => "A crash round is open. Cash out, or wait for its end.",
  CRASH_NO_ACTIVE_BET: () => "That round is over already.",
  PREMIUM_NOT_AVAILABLE: () => "This banner has no price in gems.",
  BALANCE_CAP: () => "Your balance is close to the largest there can be, so this bet is not taken.",
  GAME_DISABLED: () => "This game is switched off at the moment.",
  MAINTENANCE: () => "The casino is closed for maintenance. Open rounds are still paid.",
  UNAUTHENTICATED: () => "Your sign-in has expired.",
  PLAYER_BANNED: () => "This account is banned.",
  PLAYER_EXCLUDED: (body) =>
    body.excluded_until
      ? `You are excluded until ${dayAndTime(body.excluded_until)}.`
      : "You are excluded from play.",
  RECEIPT_NOT_FOUND: () => "There is no receipt for this event yet. It can take a moment to be stored.",
  OUTCOME_UNKNOWN: () => "It is not yet known what came of this. Your balance and history tell.",
};

/**
 * @param {any} error
 * @returns {string}
 */
export function explain(error) {
  const text = TEXTS[error.code];
  return text ? text(error.body ?? {}) : error.message;
}

/**
 * Show an error in an element with the role `alert`, with a countdown where the server says when to come back. `ready`
 * is called at the end of the countdown, or at once.
 * @param {HTMLElement} place
 * @param {any} error
 * @param {() => void} [ready]
 */
export function showError(place, error, ready = () => {}) {
  clearError(place);
  const waitMs = error.code === "DAILY_GACHA_LIMIT" ? 0 : (error.retryAfterMs ?? 0);
  if (!waitMs) {
    sayError(place, error);
    return ready();
  }
  // A countdown in an alert would be read out with every tick: who hears it is told once.
  const countdown = el("span", { class: "countdown", "aria-hidden": "true" });
  const heard = el("span", { class: "heard" }, `Ready in ${duration(waitMs / 1000)}.`);
  fill(place, el("p", {}, explain(error), " ", heard, countdown));
  place.hidden = false;
  const untilMs = Date.now() + waitMs;
  const tick = () => {
    const leftMs = untilMs - Date.now();
    if (leftMs > 0) {
      countdown.textContent = `Ready in ${duration(leftMs / 1000)}.`;
      return;
    }
    clearInterval(timers.get(place));
    heard.remove();
    countdown.remove();
    // Of what was only too fast there is nothing more to say; what failed is to be read, however short the wait was.
    if (error.code === "RATE_LIMITED") clearError(place);
    else timers.set(place, setTimeout(() => clearError(place), READING_MS));
    ready();
  };
  tick();
  timers.set(place, setInterval(tick, 250));
}

/**
 * Say an error in an element with the role `alert`. What is said there already is not said, and heard, again.
 * @param {HTMLElement} place
 * @param {any} error
 */
export function sayError(place, error) {
  if (!("code" in error)) console.error(error);
  const text = explain(error);
  if (!place.hidden && place.textContent === text) return;
  fill(place, el("p", {}, text));
  place.hidden = false;
}

/** @param {HTMLElement} place */
export function clearError(place) {
  clearInterval(timers.get(place));
  timers.delete(place);
  place.hidden = true;
  fill(place);
}

const timers = new WeakMap();
