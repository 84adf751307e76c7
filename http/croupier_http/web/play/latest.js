/** The newest rounds beside every game. */

import { byId, el, fill } from "../shared/dom.js";
import { change, time } from "../shared/format.js";
import { describe, gameName } from "./describe.js";
import { freshHistory } from "./fresh.js";

const SHOWN = 8;

/**
 * @param {import("./main.js").App} app
 * @returns {{resync: () => void}}
 */
export function mountLatest({ api, player, verifier }) {
  const list = byId("latest");
  const read = freshHistory(
    api,
    () => ({ limit: SHOWN }),
    ({ items }) => {
      if (!items.length) return fill(list, el("li", { class: "muted" }, "Nothing yet."));
      return fill(
        list,
        items.map((item) => entry(item, verifier)),
      );
    },
  );
  player.addEventListener("played", ({ detail }) => read(detail));
  return { resync: () => read() };
}

function entry(item, verifier) {
  const what = describe(item);
  const tone = item.delta_coin > 0 ? "win" : "";
  return el(
    "li",
    {},
    el("span", {}, what),
    verifier.button(item.event_id, "Verify", `${gameName(item.game_type)}, ${what}`),
    el("span", { class: "when" }, `${gameName(item.game_type)} · ${time(item.created_at)}`),
    el("span", { class: `number ${tone}` }, item.delta_coin ? change(item.delta_coin) : "–"),
  );
}
