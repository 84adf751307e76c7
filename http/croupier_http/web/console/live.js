/** Panel "Live events": everything that happens, as Postgres gets it. */

import { announce, byId, fill } from "../shared/dom.js";
import { amount, time } from "../shared/format.js";
import { LiveSocket } from "../shared/socket.js";
import { dataTable } from "../shared/table.js";
import { EVENT_HEAD, eventRow, offerTypes } from "./events.js";
import { state } from "./parts.js";

const KEPT = 500;
/** Ids that are remembered, so that no event is listed twice: many more than a snapshot has. */
const REMEMBERED = 2000;
const SHOWN = 100;
const DRAW_MS = 250;
const STATES = {
  open: ["good", "Live"],
  connecting: ["idle", "Connecting"],
  closed: ["warn", "Connection lost, trying again"],
  refused: ["bad", "Refused"],
};

/** @param {import("./main.js").App} app */
export function mountLive(app) {
  const list = new LiveList(app);
  const socket = new LiveSocket(app.api, "/api/games/ws/monitor");
  socket.addEventListener("state", () => list.connection(socket.state));
  socket.addEventListener("hello", ({ detail }) => list.begin(detail.events));
  socket.addEventListener("push", ({ detail }) => detail.type === "game_event" && list.add(detail.event));
  // What is not looked at costs nobody anything.
  const wanted = () => {
    const seen = document.visibilityState === "visible" && location.hash === "#live";
    if (seen) socket.open();
    else socket.close();
  };
  addEventListener("hashchange", wanted);
  document.addEventListener("visibilitychange", wanted);
  wanted();
}

class LiveList {
  #app;
  /** Newest first, with a `gap` wherever events may be missing. */
  #entries = [];
  /** What came since "Pause"; null while nothing is paused. */
  #held = null;
  #leftOut = 0;
  /** Ids of the last events, listed or not: what was cleared or left out is not new when a snapshot has it again. */
  #seen = new Set();
  #newestMs = -Infinity;
  #drawing = 0;
  #type = byId("live-type");
  #player = byId("live-player");
  #pause = byId("live-pause");

  constructor(app) {
    this.#app = app;
    offerTypes(this.#type);
    byId("live-form").addEventListener("submit", (event) => event.preventDefault());
    this.#type.addEventListener("change", () => this.#draw());
    this.#player.addEventListener("input", () => this.#draw());
    this.#pause.addEventListener("click", () => this.#toggle());
    byId("live-clear").addEventListener("click", () => {
      this.#entries = [];
      this.#draw();
    });
    this.#draw();
  }

  connection(state) {
    const [kind, words] = STATES[state];
    byId("live-status").dataset.state = kind;
    byId("live-state").textContent = words;
  }

  /** The last events, oldest first: at the beginning, and again after anything was dropped. */
  begin(events) {
    const fresh = events.filter((event) => !this.#seen.has(event.event_id));
    const [oldest] = events;
    const missed = oldest && fresh.length === events.length && momentOf(oldest) >= this.#newestMs;
    // Nothing is missing before the first event that the page has ever got.
    const gap = missed && this.#seen.size ? [{ gap: true, afterMs: this.#newestMs, before: oldest }] : [];
    this.#take([...fresh.reverse(), ...gap]);
  }

  add(event) {
    if (!this.#seen.has(event.event_id)) this.#take([event]);
  }

  #take(newestFirst) {
    for (const event of newestFirst.filter(isEvent).reverse()) {
      this.#seen.add(event.event_id);
      this.#newestMs = Math.max(this.#newestMs, momentOf(event));
    }
    for (const id of this.#seen) {
      if (this.#seen.size <= REMEMBERED) break;
      this.#seen.delete(id);
    }
    if (this.#held) {
      const all = [...newestFirst, ...this.#held];
      this.#held = all.slice(0, KEPT);
      this.#leftOut += all.length - this.#held.length;
    } else this.#entries = [...newestFirst, ...this.#entries].slice(0, KEPT);
    // Many events a second are drawn together.
    this.#drawing ||= setTimeout(() => this.#draw(), DRAW_MS);
  }

  #toggle() {
    if (this.#held) {
      this.#entries = [...this.#held, ...this.#entries].slice(0, KEPT);
      this.#held = null;
      this.#leftOut = 0;
    } else this.#held = [];
    this.#pause.setAttribute("aria-pressed", String(this.#held !== null));
    this.#pause.textContent = this.#held ? "Go on" : "Pause";
    announce(this.#held ? "Paused." : "Going on.");
    this.#draw();
  }

  #draw() {
    clearTimeout(this.#drawing);
    this.#drawing = 0;
    const shown = this.#entries.filter((entry) => entry.gap || this.#fits(entry)).slice(0, SHOWN);
    byId("live-count").textContent = [
      `${shown.filter(isEvent).length} shown of the last ${this.#entries.filter(isEvent).length}`,
      this.#held && `${this.#held.filter((entry) => isEvent(entry) && this.#fits(entry)).length} more wait`,
      this.#leftOut && `${amount(this.#leftOut)} older ones are left out`,
    ].filter(Boolean).join(", ");
    const rows = shown.map((entry) => (entry.gap ? gapRow(entry) : eventRow(entry, this.#app)));
    fill(byId("live-list"), dataTable("Newest first", EVENT_HEAD, rows));
  }

  #fits(event) {
    const player = this.#player.value.trim();
    const ofType = !this.#type.value || event.event_type === this.#type.value;
    return ofType && (!player || String(event.player_id) === player);
  }
}

const isEvent = (entry) => !entry.gap;
const momentOf = (event) => Date.parse(event.created_at);

function gapRow({ afterMs, before }) {
  const after = time(new Date(afterMs).toISOString());
  const words = `Events between ${after} and ${time(before.created_at)} may be missing here; the event log has them.`;
  return [time(before.created_at), state("warn", "Gap"), "–", words, "–"];
}
