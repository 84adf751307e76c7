/**
 * Small charts. Each drawing has a title and a description for who cannot see it, and numbers stand beside it in the
 * document; so no chart is the only place of a figure.
 */

import { el, svg } from "../shared/dom.js";

const WIDTH = 240;
const HEIGHT = 48;
let drawings = 0;

/**
 * @typedef {object} Point
 * @property {number} x such as a Unix time in ms
 * @property {number} y
 */

/**
 * A drawing that is as wide as its place, with what it shows in words.
 * @param {string} title
 * @param {string} description
 * @param {string} classes
 * @param {string} box the view box
 * @param {...Node} shapes
 * @returns {SVGElement}
 */
function drawing(title, description, classes, box, ...shapes) {
  const id = `drawing-${(drawings += 1)}`;
  const labelled = { role: "img", "aria-labelledby": `${id}-t ${id}-d`, focusable: "false" };
  return svg(
    "svg",
    { class: `chart ${classes}`, viewBox: box, preserveAspectRatio: "none", ...labelled },
    svg("title", { id: `${id}-t` }, title),
    svg("desc", { id: `${id}-d` }, description),
    ...shapes,
  );
}

/**
 * Values over time as one line, without an axis; 0 is at the bottom.
 * @param {{title: string, points: Point[], format: (value: number) => string}} options
 * @returns {SVGElement}
 */
export function sparkline({ title, points, format }) {
  const { path, area, max } = trace(points);
  const last = points.at(-1);
  const said = last ? `From ${format(points[0].y)} to ${format(last.y)}, at most ${format(max)}.` : "No values yet.";
  return drawing(
    title,
    said,
    "spark",
    `0 0 ${WIDTH} ${HEIGHT}`,
    svg("path", { class: "area", d: area }),
    svg("path", { class: "line", d: path }),
  );
}

/**
 * Values over time with the largest value and the times at its edges.
 * @param {{title: string, points: Point[], format: (value: number) => string, when: (x: number) => string,
 *   tone?: string}} options `tone` is a class
 * @returns {HTMLElement}
 */
export function lineChart({ title, points, format, when, tone = "" }) {
  const { path, area, max } = trace(points);
  const middle = svg("line", { class: "axis", x1: 0, x2: WIDTH, y1: HEIGHT / 2, y2: HEIGHT / 2 });
  const [from, to] = points.length ? [when(points[0].x), when(points.at(-1).x)] : ["", ""];
  const said = points.length ? `Between ${from} and ${to}, at most ${format(max)}.` : "No values yet.";
  return el(
    "figure",
    { class: `line-chart ${tone}` },
    el("figcaption", {}, title),
    el("span", { class: "y", "aria-hidden": "true" }, el("span", {}, format(max)), el("span", {}, format(0))),
    drawing(
      title,
      said,
      "plot",
      `0 0 ${WIDTH} ${HEIGHT}`,
      middle,
      svg("path", { class: "area", d: area }),
      svg("path", { class: "line", d: path }),
    ),
    el(
      "span",
      { class: "x", "aria-hidden": "true" },
      el("span", {}, from),
      el("span", {}, to),
    ),
  );
}

/**
 * A share of a whole as a bar.
 * @param {{title: string, share: number, tone?: string}} options `share` from 0 to 1
 * @returns {SVGElement}
 */
export function bar({ title, share, tone = "" }) {
  const width = Math.max(0, Math.min(1, share)) * 100;
  return drawing(
    title,
    `${width.toFixed(0)} percent`,
    `level ${tone}`,
    "0 0 100 8",
    svg("rect", { class: "ground", width: 100, height: 8 }),
    svg("rect", { class: "value", width, height: 8 }),
  );
}

/**
 * A deviation in standard deviations, as a dot on a scale from -4 to 4 with the band in which 95 of 100 lie.
 * @param {{title: string, z: number}} options
 * @returns {SVGElement}
 */
export function deviation({ title, z }) {
  const x = (value) => 50 + (Math.max(-4, Math.min(4, value)) * 46) / 4;
  const inside = Math.abs(z) <= 1.96;
  return drawing(
    title,
    `${z.toFixed(1)} standard deviations from what is expected; the band is from -1.96 to 1.96.`,
    `deviation ${inside ? "" : "outside"}`,
    "0 0 100 16",
    svg("line", { class: "axis", x1: x(-4), x2: x(4), y1: 8, y2: 8 }),
    svg("rect", { class: "band", x: x(-1.96), width: x(1.96) - x(-1.96), y: 2, height: 12 }),
    svg("line", { class: "axis", x1: 50, x2: 50, y1: 0, y2: 16 }),
    svg("rect", { class: "dot", x: x(z) - 1.5, width: 3, y: 1, height: 14 }),
  );
}

/**
 * Events on a line of time, one mark each.
 * @param {{title: string, marks: number[], from: number, to: number, when: (x: number) => string}} options times in ms
 * @returns {HTMLElement}
 */
export function timeline({ title, marks, from, to, when }) {
  const x = (time) => ((time - from) / (to - from || 1)) * WIDTH;
  return el(
    "figure",
    { class: "line-chart bare" },
    drawing(
      title,
      `${marks.length} between ${when(from)} and ${when(to)}.`,
      "marks",
      `0 0 ${WIDTH} 16`,
      svg("line", { class: "axis", x1: 0, x2: WIDTH, y1: 8, y2: 8 }),
      ...marks.map((time) => svg("line", { class: "mark", x1: x(time), x2: x(time), y1: 1, y2: 15 })),
    ),
    el("span", { class: "x", "aria-hidden": "true" }, el("span", {}, when(from)), el("span", {}, when(to))),
  );
}

/** The path of points and the area below it, in the view box; `max` is the largest value, at least a little. */
function trace(points) {
  if (!points.length) return { path: "", area: "", max: 0 };
  const [from, to] = [points[0].x, points.at(-1).x];
  const max = Math.max(...points.map((point) => point.y));
  const x = (value) => round(((value - from) / (to - from || 1)) * WIDTH);
  const y = (value) => round(HEIGHT - 2 - (Math.max(0, value) / (max || 1)) * (HEIGHT - 4));
  let path = `M${x(from)} ${y(points[0].y)}`;
  for (const point of points.slice(1)) path += `L${x(point.x)} ${y(point.y)}`;
  if (points.length === 1) path += `H${WIDTH}`;
  const end = points.length === 1 ? WIDTH : x(to);
  return { path, area: `${path}L${end} ${HEIGHT}L0 ${HEIGHT}Z`, max };
}

const round = (value) => Math.round(value * 10) / 10;
