/** One panel at a time, chosen by the fragment of the address; what is shown is asked for again while it is seen. */

import { byId } from "../shared/dom.js";
import { clearError, sayError } from "../shared/errors.js";

/** @type {{view: string|null, everyMs: number, work: () => Promise<void>, dueMs: number, running: boolean}[]} */
const polls = [];
const TICK_MS = 250;
let shown = "";

/** Show the panel of the address, and each that is chosen from now on; a chosen one gets the focus. */
export function mountViews() {
  show(false);
  addEventListener("hashchange", () => show(true));
  document.addEventListener("visibilitychange", tick);
  setInterval(tick, TICK_MS);
}

/**
 * Open a panel.
 * @param {string} view such as `player`
 */
export function open(view) {
  if (location.hash === `#${view}`) return;
  location.hash = view;
}

/**
 * Do something when a panel is opened, and then again and again while it is seen.
 * @param {string|null} view null: whichever is shown
 * @param {number} everyMs
 * @param {() => Promise<void>} work says by itself what went wrong where there is no panel
 * @returns {() => void} does it at once, if the panel is shown
 */
export function poll(view, everyMs, work) {
  const each = { view, everyMs, work, dueMs: 0, running: false };
  polls.push(each);
  return () => {
    each.dueMs = 0;
    tick();
  };
}

/**
 * Try something that a panel shows, and say in it what went wrong.
 * @param {string} view
 * @param {() => Promise<void>} work
 * @returns {Promise<boolean>} whether it succeeded
 */
export async function attempt(view, work) {
  const place = byId(view).querySelector("[data-error]");
  try {
    await work();
    clearError(place);
    return true;
  } catch (error) {
    sayError(place, error);
    return false;
  }
}

function show(focus) {
  const views = [...document.querySelectorAll(".view")];
  const named = views.find((view) => `#${view.id}` === location.hash);
  // Other fragments, such as that of the link which skips the navigation, leave the panel as it is.
  const wanted = named ?? views.find((view) => !view.hidden) ?? views[0];
  if (shown !== wanted.id) for (const each of polls) if (each.view === wanted.id) each.dueMs = 0;
  shown = wanted.id;
  for (const view of views) view.hidden = view !== wanted;
  for (const link of byId("tabs").querySelectorAll("a")) {
    if (link.hash.slice(1) !== shown) link.removeAttribute("aria-current");
    else {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }
  const heading = wanted.querySelector("h1");
  document.title = `${heading.textContent} · Croupier console`;
  if (focus && named) heading.focus({ preventScroll: true });
  tick();
}

/** Starts what is due; a hidden page asks for nothing. */
function tick() {
  if (document.visibilityState !== "visible") return;
  for (const each of polls) {
    if (each.running || (each.view !== null && each.view !== shown) || Date.now() < each.dueMs) continue;
    each.running = true;
    each.dueMs = Date.now() + each.everyMs;
    run(each).finally(() => (each.running = false));
  }
}

function run({ view, work }) {
  return view === null ? work() : attempt(view, work);
}
