/** The growing multiplier of a crash round as a curve. */

import { byId, calm, fill, svg } from "../shared/dom.js";
import { grown } from "../shared/fairness.js";
import { multiplier } from "../shared/format.js";

const WIDTH = 600;
const HEIGHT = 260;
/** The curve stays below the numbers, in the lower half. */
const RISE = 0.46 * HEIGHT;
const POINTS = 60;
const SHORTEST_MS = 6000;
const LOWEST_TOP_M100 = 200;
const CALM_MS = 250;

/**
 * @typedef {object} Round what is drawn
 * @property {number} growthPpm
 * @property {number} capM100
 * @property {number} targetM100 where it is paid by itself
 * @property {number} startedAtMs on the server's clock
 */

/** Draws a round while it runs. */
export class Curve {
  #line = svg("path", { class: "line" });
  #area = svg("path", { class: "area" });
  #running = 0;
  #nowMs;

  /** @param {() => number} nowMs the server's clock */
  constructor(nowMs) {
    this.#nowMs = nowMs;
    const axes = [0.25, 0.5, 0.75].map((part) =>
      svg("line", { class: "axis", x1: 0, x2: WIDTH, y1: HEIGHT * part, y2: HEIGHT * part }),
    );
    fill(byId("curve"), axes, this.#area, this.#line);
  }

  /**
   * Draw from now on until `stop`.
   * @param {Round} round
   * @param {(m100: number) => void} tick is told the multiplier with every picture
   */
  run(round, tick) {
    const mine = ++this.#running;
    const frame = () => {
      if (mine !== this.#running) return;
      const elapsedMs = Math.max(0, this.#nowMs() - round.startedAtMs);
      const m100 = Math.min(round.targetM100, grown(round.growthPpm, elapsedMs, round.capM100));
      this.#draw(round, timeOf(round, m100, elapsedMs), m100);
      tick(m100);
      if (calm()) setTimeout(frame, CALM_MS);
      else requestAnimationFrame(frame);
    };
    frame();
  }

  /**
   * Draw the end of a round, and no more.
   * @param {Round} round
   * @param {number} m100 where it ended
   */
  stop(round, m100) {
    this.#running += 1;
    this.#draw(round, (Math.log(m100 / 100) / round.growthPpm) * 1e9, m100);
  }

  #draw(round, elapsedMs, m100) {
    byId("multiplier").textContent = multiplier(m100);
    const longestMs = Math.max(SHORTEST_MS, elapsedMs);
    const top = Math.max(LOWEST_TOP_M100, m100 * 1.15);
    const points = Array.from({ length: POINTS + 1 }, (_, i) => {
      const ms = (elapsedMs * i) / POINTS;
      const value = 100 * Math.exp((round.growthPpm * ms) / 1e9);
      const x = (ms / longestMs) * WIDTH * 0.94;
      const y = HEIGHT - 12 - ((value - 100) / (top - 100)) * RISE;
      return `${x.toFixed(1)} ${y.toFixed(1)}`;
    });
    const line = `M${points.join("L")}`;
    const end = points.at(-1).split(" ")[0];
    this.#line.setAttribute("d", line);
    this.#area.setAttribute("d", `${line}L${end} ${HEIGHT}L0 ${HEIGHT}Z`);
  }
}

/** The curve stands still once the target is reached. */
function timeOf({ growthPpm, targetM100 }, m100, elapsedMs) {
  return m100 < targetM100 ? elapsedMs : (Math.log(targetM100 / 100) / growthPpm) * 1e9;
}
