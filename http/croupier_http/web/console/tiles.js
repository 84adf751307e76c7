/** Tiles: one figure each, with its name, what it counts, and perhaps how it went. They change in place. */

import { el, fill } from "../shared/dom.js";

const ALARMS = { warn: "Look", bad: "Alarm" };

/** The tiles of a `<dl>`. */
export class Tiles {
  #place;
  /** @type {Map<string, HTMLElement>} */
  #tiles = new Map();

  /** @param {HTMLElement} place */
  constructor(place) {
    this.#place = place;
  }

  /**
   * Show a figure.
   * @param {string} name
   * @param {string} figure
   * @param {string} note
   * @param {""|"good"|"warn"|"bad"} [state] said in a word too
   * @param {SVGElement|null} [trend]
   */
  show(name, figure, note, state = "", trend = null) {
    let tile = this.#tiles.get(name);
    if (!tile) {
      tile = el("div", { class: "tile" });
      this.#tiles.set(name, tile);
      this.#place.append(tile);
    }
    tile.dataset.state = state;
    const alarm = ALARMS[state] ? el("span", { class: "alarm" }, ALARMS[state]) : null;
    fill(
      tile,
      el("dt", {}, name, alarm),
      el("dd", { class: "figure" }, figure),
      el("dd", { class: "note" }, note),
      trend && el("dd", { class: "trend" }, trend),
    );
  }
}
