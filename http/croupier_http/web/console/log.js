/** Panel "Event log": what Postgres has, by type, player and time. */

import { byId, fill } from "../shared/dom.js";
import { dataTable } from "../shared/table.js";
import { LOGGED_HEAD, loggedRow, offerTypes } from "./events.js";
import { counted } from "./parts.js";
import { attempt } from "./views.js";

const PAGE = 50;
const ROWS_MAX = 1000;

/** @param {import("./main.js").App} app */
export function mountLog(app) {
  offerTypes(byId("log-type"));
  const log = new EventList(app, "log", byId("log-list"), byId("log-more"), byId("log-note"));
  const search = () => {
    const since = byId("log-since").value;
    return log.search({
      type: byId("log-type").value,
      user_id: byId("log-player").value.trim(),
      since: since && new Date(since).toISOString(),
    });
  };
  byId("log-form").addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  let first = true;
  const opened = () => {
    if (location.hash !== "#log" || !first) return;
    first = false;
    search();
  };
  addEventListener("hashchange", opened);
  opened();
}

/** Events that match a search, more of them with each press of a button. */
export class EventList {
  #app;
  #view;
  #list;
  #more;
  #note;
  #parameters = {};
  #events = [];
  #cursor = null;

  /**
   * @param {import("./main.js").App} app
   * @param {string} view where errors are said
   * @param {HTMLElement} list
   * @param {HTMLButtonElement} more
   * @param {HTMLElement} note
   */
  constructor(app, view, list, more, note) {
    this.#app = app;
    this.#view = view;
    this.#list = list;
    this.#more = more;
    this.#note = note;
    more.addEventListener("click", () => this.#next());
  }

  /** @param {Record<string, any>} parameters of `/api/admin/events` */
  search(parameters) {
    this.#parameters = parameters;
    this.#events = [];
    this.#cursor = null;
    return this.#next();
  }

  async #next() {
    this.#more.disabled = true;
    await attempt(this.#view, async () => {
      const parameters = { ...this.#parameters, limit: PAGE, cursor: this.#cursor };
      const page = await this.#app.api.get("/api/admin/events", parameters);
      this.#events.push(...page.items);
      this.#cursor = page.next_cursor;
      this.#show(page);
    });
    this.#more.disabled = false;
  }

  #show(page) {
    const full = this.#events.length >= ROWS_MAX;
    const rows = this.#events.map((event) => loggedRow(event, this.#app));
    fill(this.#list, dataTable("Events", LOGGED_HEAD, rows));
    this.#more.hidden = this.#cursor === null || full;
    const more = this.#cursor === null ? "These are all." : full ? "Narrow the search to see older ones." : "";
    const few = this.#cursor !== null && !page.items.length ? "None in this stretch; there may be older ones." : "";
    this.#note.textContent = [`${counted(this.#events.length, "event")}.`, few || more].filter(Boolean).join(" ");
  }
}
