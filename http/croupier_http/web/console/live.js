/** Panel "Live events": everything that happens, as Postgres gets it. */

import { announce, byId, fill } from "../shared/dom.js";
import { LiveSocket } from "../shared/socket.js";
import { dataTable } from "../shared/table.js";
import { EVENT_HEAD, eventRow, offerTypes } from "./events.js";

const KEPT = 500;
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
  #events = [];
  #held = null;
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
      this.#events = [];
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
    const known = new Set(this.#events.map((event) => event.event_id));
    const fresh = events.filter((event) => !known.has(event.event_id)).reverse();
    this.#take(fresh);
  }

  add(event) {
    this.#take([event]);
  }

  #take(newestFirst) {
    if (this.#held) this.#held = [...newestFirst, ...this.#held].slice(0, KEPT);
    else this.#events = [...newestFirst, ...this.#events].slice(0, KEPT);
    // Many events a second are drawn together.
    this.#drawing ||= setTimeout(() => this.#draw(), DRAW_MS);
  }

  #toggle() {
    if (this.#held) {
      this.#events = [...this.#held, ...this.#events].slice(0, KEPT);
      this.#held = null;
    } else this.#held = [];
    this.#pause.setAttribute("aria-pressed", String(this.#held !== null));
    this.#pause.textContent = this.#held ? "Go on" : "Pause";
    announce(this.#held ? "Paused." : "Going on.");
    this.#draw();
  }

  #draw() {
    clearTimeout(this.#drawing);
    this.#drawing = 0;
    const found = this.#events.filter((event) => this.#fits(event));
    const waiting = this.#held ? `, ${this.#held.filter((event) => this.#fits(event)).length} more wait` : "";
    const shown = Math.min(found.length, SHOWN);
    byId("live-count").textContent = `${shown} shown of the last ${this.#events.length}${waiting}`;
    const rows = found.slice(0, SHOWN).map((event) => eventRow(event, this.#app));
    fill(byId("live-list"), dataTable("Newest first", EVENT_HEAD, rows));
  }

  #fits(event) {
    const player = this.#player.value.trim();
    const ofType = !this.#type.value || event.event_type === this.#type.value;
    return ofType && (!player || String(event.player_id) === player);
  }
}
