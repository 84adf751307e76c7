/** Tables. */

import { el } from "./dom.js";

/**
 * A table in a region that scrolls sideways where it is too wide.
 * @param {string} caption
 * @param {string[]} head column titles; one that begins with `#` is of numbers
 * @param {(string|Node)[][]} rows
 * @returns {HTMLElement}
 */
export function dataTable(caption, head, rows) {
  const numbers = head.map((name) => name.startsWith("#"));
  const kind = (column) => (numbers[column] ? "number" : null);
  return el(
    "div",
    { class: "scroll", role: "region", "aria-label": caption, tabindex: "0" },
    el(
      "table",
      {},
      el("caption", {}, caption),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          head.map((name, i) => el("th", { scope: "col", class: kind(i) }, name.replace(/^#/, ""))),
        ),
      ),
      el(
        "tbody",
        {},
        rows.map((row) =>
          el(
            "tr",
            {},
            row.map((cell, i) => el("td", { class: kind(i) }, cell)),
          ),
        ),
      ),
    ),
  );
}
