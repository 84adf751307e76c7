/** Pieces that several panels are made of. */

import { el } from "../shared/dom.js";
import { amount } from "../shared/format.js";
import { dataTable } from "../shared/table.js";

/**
 * A state in a word, with a lamp of its own shape.
 * @param {"good"|"warn"|"bad"|"idle"} kind
 * @param {string} word
 * @returns {HTMLElement}
 */
export function state(kind, word) {
  const lamp = el("span", { class: "lamp", "aria-hidden": "true" });
  return el("span", { class: "status", "data-state": kind }, lamp, word);
}

/** @param {string} text @returns {HTMLElement} a line that stands back */
export const aside = (text) => el("p", { class: "muted" }, text);

/** @param {string} text @returns {HTMLElement} */
export const code = (text) => el("code", {}, text);

/**
 * @param {number} n
 * @param {string} one what one of them is called
 * @param {string} [many] what others are
 * @returns {string} such as `1 draw` or `1,204 draws`
 */
export const counted = (n, one, many = `${one}s`) => `${amount(n)} ${n === 1 ? one : many}`;

/**
 * A table, or a line where it has no rows.
 * @param {string} caption
 * @param {string[]} head as for `dataTable`
 * @param {(string|Node)[][]} rows
 * @param {string} none
 * @returns {HTMLElement}
 */
export const tableOr = (caption, head, rows, none) => (rows.length ? dataTable(caption, head, rows) : aside(none));
