/** All rounds, in pages. */

import { byId, el, fill } from "../shared/dom.js";
import { clearError, showError } from "../shared/errors.js";
import { amount, change, time } from "../shared/format.js";
import { describe, gameName } from "./describe.js";
import { freshHistory } from "./fresh.js";

const PAGE = 15;

/**
 * @param {import("./main.js").App} app
 * @returns {{resync: () => void}}
 */
export function mountHistory({ api, player, verifier }) {
  const view = byId("history");
  const error = byId("history-error");
  const [newer, older, game] = [byId("history-newer"), byId("history-older"), byId("history-game")];
  /** Cursors of the pages on the way to the one shown; the first page has none. */
  let way = [null];
  let next = null;

  const parameters = () => ({ limit: PAGE, game_type: game.value, cursor: way.at(-1) });
  const read = freshHistory(api, parameters, show, (problem) => showError(error, problem));

  function show({ items, total, next_cursor: cursor }) {
    clearError(error);
    next = cursor;
    const first = (way.length - 1) * PAGE;
    byId("history-total").textContent = total
      ? `${amount(first + 1)} to ${amount(first + items.length)} of ${amount(total)}`
      : "Nothing played yet";
    newer.disabled = way.length === 1;
    older.disabled = !next;
    fill(
      byId("history-rows"),
      items.map((item) => row(item, verifier)),
    );
  }

  newer.addEventListener("click", () => {
    way.pop();
    read();
  });
  older.addEventListener("click", () => {
    way.push(next);
    read();
  });
  game.addEventListener("change", () => {
    way = [null];
    read();
  });
  view.addEventListener("shown", () => read());
  player.addEventListener("played", ({ detail }) => {
    const awaited = way.length === 1 && !game.value ? detail : null;
    if (!view.hidden) read(awaited);
  });
  return { resync: () => !view.hidden && read() };
}

function row(item, verifier) {
  const what = describe(item);
  const gems = item.delta_gem ? `, ${change(item.delta_gem)} gems` : "";
  return el(
    "tr",
    { "data-event": item.event_id },
    el("td", { class: "when" }, time(item.created_at)),
    el("td", { class: "wide-only" }, gameName(item.game_type)),
    el("td", {}, what),
    el(
      "td",
      { class: `number ${item.delta_coin > 0 ? "win" : ""}` },
      (item.delta_coin ? change(item.delta_coin) : "–") + gems,
    ),
    el("td", {}, verifier.button(item.event_id, "Verify", `${gameName(item.game_type)}, ${what}`)),
  );
}
