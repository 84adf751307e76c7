/** The gacha: choose a banner, pull once or ten times, see what came and what it does to the pity. */

import { announce, byId, calm, el, fill, isEnabled, setEnabled } from "../shared/dom.js";
import { clearError, showError } from "../shared/errors.js";
import { amount, title } from "../shared/format.js";
import { RARITIES } from "../shared/gacha.js";
import { gachaOdds } from "./gacha-odds.js";
import { pityMeters } from "./pity.js";
import { edition } from "./rounds.js";

const DEAL_MS = 110;
const PIPS = { Legendary: "★★★★", Epic: "★★★", Rare: "★★", Common: "★" };

/**
 * @param {import("./main.js").App} app
 * @returns {{resync: () => void}}
 */
export function mountGacha(app) {
  const gacha = new Gacha(app);
  return { resync: () => gacha.read() };
}

class Gacha {
  #api;
  #player;
  #verifier;
  #error = byId("gacha-error");
  #payGems = byId("pay-gems");
  #buttons = new Map([
    [1, byId("pull-1")],
    [10, byId("pull-10")],
  ]);
  #banners = [];
  #chosen = "standard";
  #odds = null;
  #pulls = 0;
  #stats = null;

  constructor({ api, player, verifier }) {
    this.#api = api;
    this.#player = player;
    this.#verifier = verifier;
    this.#payGems.addEventListener("change", () => this.#showPrices());
    for (const [count, button] of this.#buttons) {
      button.addEventListener("click", () => isEnabled(button) && this.#pull(count));
    }
    player.addEventListener("event", ({ detail }) => detail.event_type === "gacha.pulled" && this.read());
    // A stock that all players share changes without anybody telling this page.
    byId("odds").addEventListener("toggle", ({ target }) => target.open && this.#choose(this.#chosen));
  }

  /** Ask for the banners, and for how the player stands on each; again, where a pull has told that meanwhile. */
  async read() {
    const pulls = this.#pulls;
    try {
      const [{ items }, stats] = await Promise.all([
        this.#api.get("/api/games/gacha/banners"),
        this.#api.get("/api/games/gacha/stats"),
      ]);
      if (pulls !== this.#pulls) return this.read();
      const changed = JSON.stringify(items) !== JSON.stringify(this.#banners);
      this.#banners = items;
      this.#stats = stats;
      if (!this.#banner) this.#chosen = items[0].name;
      if (changed) this.#showBanners();
      const first = this.#odds === null;
      await this.#showChosen();
      if (first) this.#enable(true);
    } catch (problem) {
      showError(this.#error, problem);
    }
  }

  get #banner() {
    return this.#banners.find((banner) => banner.name === this.#chosen);
  }

  #showBanners() {
    const choice = (banner) => bannerChoice(banner, banner === this.#banner, (name) => this.#choose(name));
    fill(byId("banners"), el("legend", {}, "Banner"), this.#banners.map(choice));
  }

  #choose(name) {
    this.#chosen = name;
    this.#showChosen().catch((problem) => showError(this.#error, problem));
  }

  async #showChosen() {
    const banner = this.#banner;
    byId("gems-choice").hidden = !banner.cost_gems;
    if (!banner.cost_gems) this.#payGems.checked = false;
    this.#showPrices();
    const reply = await this.#api.get("/api/games/gacha/odds", { banner: banner.name });
    if (banner.name !== this.#chosen) return;
    this.#odds = reply.odds;
    fill(byId("odds-body"), gachaOdds(reply, banner, edition(reply.economy, this.#api.nowMs())));
    fill(byId("chances"), chances(reply.odds));
    this.#showState();
  }

  #showPrices() {
    const { cost_gems: gems, cost_tokens: tokens } = this.#banner;
    const [cost, unit] = this.#payGems.checked ? [gems, "gems"] : [tokens, "tokens"];
    this.#buttons.get(1).textContent = `Pull · ${amount(cost.one)} ${unit}`;
    this.#buttons.get(10).textContent = `Pull ten · ${amount(cost.ten)} ${unit}`;
  }

  #showState() {
    const left = this.#stats.daily_remaining;
    fill(byId("pity"), pityMeters(this.#stats.banners[this.#chosen].pity, this.#odds));
    byId("daily").textContent = left === 1 ? "1 pull left today" : `${left} pulls left today`;
  }

  async #pull(count) {
    const banner = this.#chosen;
    this.#enable(false);
    clearError(this.#error);
    try {
      const body = { count, banner, use_premium_currency: this.#payGems.checked };
      const reply = await this.#player.command("gacha.pull", body);
      this.#pulls += 1;
      reveal(reply, this.#verifier);
      this.#stats.daily_remaining = reply.daily_remaining;
      this.#stats.banners[banner].pity = reply.pity;
      this.#showState();
      this.#enable(true);
    } catch (problem) {
      showError(this.#error, problem, () => this.#enable(true));
    }
  }

  #enable(on) {
    for (const button of this.#buttons.values()) setEnabled(button, on);
  }
}

/** The chances of one draw, beside the buttons that buy it, and the way to all of them. */
function chances({ rarities }) {
  const open = () => {
    byId("odds").open = true;
    byId("odds-summary").focus();
  };
  const each = rarities.map(({ rarity, probability }) => `${rarity} ${probability.percent} %`);
  const button = el("button", { type: "button", class: "text", onclick: open }, "All odds");
  return ["Each draw: ", each.join(" · "), ". ", button];
}

function bannerChoice(banner, checked, choose) {
  const { Legendary: left } = banner.remaining_stock;
  const lines = [
    banner.rate_up && `${banner.rate_up} rate-up: ${banner.featured.map(title).join(", ")}`,
    left !== null && `${amount(left)} Legendary left`,
    banner.cost_gems && "Tokens or gems",
    !banner.enabled && "Closed",
  ].filter(Boolean);
  return el(
    "label",
    { class: "banner" },
    el("input", {
      type: "radio",
      name: "banner",
      value: banner.name,
      checked,
      disabled: !banner.enabled,
      onchange: () => choose(banner.name),
    }),
    el("b", {}, title(banner.name)),
    el("span", { class: "muted" }, lines.join(" · ") || "Always open"),
  );
}

function reveal({ items, cost_used: cost, receipt }, verifier) {
  byId("cards-hint").hidden = true;
  fill(
    byId("cards"),
    items.map((item, place) => card(item, place)),
  );
  const best = RARITIES.find((rarity) => items.some((item) => item.rarity === rarity));
  const summary = items.length === 1 ? `${title(items[0].item_id)}, ${best}` : `Ten items, the best ${best}`;
  fill(
    byId("gacha-outcome"),
    el("strong", {}, summary),
    verifier.button(receipt.event_id, "Verify this draw"),
  );
  announce(
    `${items.map((item) => `${title(item.item_id)}, ${item.rarity}`).join("; ")}. It cost ${amount(cost)}.`,
  );
}

/** Cards are dealt one after the other; the rarer, the longer the pause before. */
function card(item, place) {
  const nearMiss = item.near_miss ? "Close to Legendary" : "";
  const note = item.downgraded_from ? `${item.downgraded_from} sold out` : nearMiss;
  const dealt = el(
    "li",
    { class: calm() ? "card" : "card dealt", "data-rarity": item.rarity },
    el("span", { class: "pips", "aria-hidden": "true" }, PIPS[item.rarity]),
    el("span", { class: "item" }, title(item.item_id)),
    el("span", { class: "rarity" }, item.rarity),
    note ? el("span", { class: "note" }, note) : null,
  );
  dealt.style.setProperty("--delay", `${place * DEAL_MS + (item.rarity === "Legendary" ? 350 : 0)}ms`);
  return dealt;
}
