/** Crash: a bet begins a round, the multiplier grows, and the player cashes out in time or not. */

import { announce, byId, el, fill, isEnabled, setEnabled } from "../shared/dom.js";
import { clearError, showError } from "../shared/errors.js";
import { amount, fraction, multiplier } from "../shared/format.js";
import { dataTable } from "../shared/table.js";
import { Curve } from "./curve.js";
import { betOf, edition, net, oddsWithRules } from "./rounds.js";
import { settledEvent } from "./settled.js";

const POLL_MS = 500;
const POLL_BESIDE_PUSHES_MS = 3000;
const ENDS = {
  cashed: (paid) => `Cashed out at ${paid}×`,
  auto: (paid) => `${paid}× reached`,
  crashed: (_, crash) => `Crashed at ${crash}×`,
};
const MILESTONES = [150, 200, 300, 500, 1000, 2000, 5000];

/**
 * @param {import("./main.js").App} app
 * @param {import("../shared/socket.js").LiveSocket} socket
 * @returns {{resync: () => void}}
 */
export function mountCrash(app, socket) {
  const game = new Crash(app, socket);
  return { resync: () => game.read() };
}

class Crash {
  #api;
  #player;
  #verifier;
  #socket;
  #curve;
  #odds = null;
  #round = null;
  #timer = 0;
  #error = byId("crash-error");
  #go = byId("crash-go");
  #out = byId("crash-out");

  constructor({ api, player, verifier }, socket) {
    this.#api = api;
    this.#player = player;
    this.#verifier = verifier;
    this.#socket = socket;
    this.#curve = new Curve(() => api.nowMs());
    byId("crash-form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (isEnabled(this.#go)) this.#bet();
    });
    this.#out.addEventListener("click", () => isEnabled(this.#out) && this.#cashOut());
    player.addEventListener("event", ({ detail }) => this.#pushed(detail));
  }

  /** Ask for the odds and for an open round, which may have begun, or ended, elsewhere. */
  async read() {
    try {
      if (!this.#odds) {
        const { economy, odds } = await this.#api.get("/api/games/crash/odds");
        this.#odds = odds;
        byId("crash-auto").max = String(odds.max_multiplier);
        byId("crash-note").textContent =
          `Up to ${amount(odds.max_multiplier)}×; pays ${odds.rtp.percent} % on average. The server's clock decides.`;
        fill(byId("crash-odds"), crashOdds(odds, edition(economy, this.#api.nowMs())));
        setEnabled(this.#go, true);
      }
      await this.#look();
    } catch (problem) {
      showError(this.#error, problem);
    }
  }

  async #bet() {
    const auto = byId("crash-auto").value;
    const body = { bet_amount: betOf(byId("crash-bet")), ...(auto && { auto_cashout: Number(auto) }) };
    setEnabled(this.#go, false);
    clearError(this.#error);
    try {
      const reply = await this.#player.command("crash.bet", body);
      this.#run({ ...reply, ...body });
      this.#out.focus();
      setEnabled(this.#go, true);
    } catch (problem) {
      showError(this.#error, problem, () => setEnabled(this.#go, true));
    }
  }

  #run({ game_id: id, bet_amount: bet, auto_cashout: auto, started_at_ms: startedAtMs }) {
    const capM100 = this.#odds.max_multiplier * 100;
    const targetM100 = auto ? Math.round(auto * 100) : capM100;
    const round = { id, bet, growthPpm: this.#odds.growth_ppm, capM100, targetM100, startedAtMs };
    this.#round = round;
    this.#show("running");
    fill(
      byId("crash-outcome"),
      el("span", {}, `Bet ${amount(bet)}${auto ? `, paid by itself at ${multiplier(targetM100)}` : ""}`),
    );
    announce("The round has begun.");
    let said = 100;
    this.#curve.run(round, (m100) => {
      byId("crash-worth").textContent = ` · ${amount(Math.floor((bet * m100) / 100))}`;
      const milestone = MILESTONES.findLast((each) => each <= m100) ?? 100;
      if (milestone > said) announce(multiplier(milestone));
      said = Math.max(said, milestone);
    });
    this.#lookLater();
  }

  /** Without pushes only a question tells that the server has settled the round. */
  #lookLater() {
    clearTimeout(this.#timer);
    const ms = this.#socket.state === "open" && this.#socket.live ? POLL_BESIDE_PUSHES_MS : POLL_MS;
    this.#timer = setTimeout(() => this.#look().catch(() => this.#lookLater()), ms);
  }

  async #look() {
    const { session } = await this.#api.get("/api/games/crash/debug/current");
    const round = this.#round;
    if (session && session.game_id !== round?.id) this.#run(session);
    else if (round && !session) await this.#settled(round);
    else if (round) this.#lookLater();
  }

  /** The round is over: a cash-out now changes nothing, and tells how it ended. */
  async #settled(round) {
    const reply = await this.#player.command("crash.cashout", { game_id: round.id });
    if (this.#round === round) this.#end(round, reply, await settledEvent(this.#api, round.id));
  }

  #pushed({ event_id: eventId, event_type: type, result }) {
    if (type === "crash.bet_placed" && !this.#round) this.#look().catch(() => {});
    const round = this.#round;
    if (type !== "crash.settled" || !round || result?.game_id !== round.id) return;
    this.#end(round, result, eventId);
  }

  async #cashOut() {
    const round = this.#round;
    if (!round) return;
    setEnabled(this.#out, false);
    clearError(this.#error);
    try {
      const reply = await this.#player.command("crash.cashout", { game_id: round.id });
      const eventId = reply.receipt?.event_id ?? (await settledEvent(this.#api, round.id));
      if (this.#round === round) this.#end(round, reply, eventId);
    } catch (problem) {
      showError(this.#error, problem);
    }
    setEnabled(this.#out, true);
  }

  #end(round, { outcome, payout, multiplier: paid, crash_point: crash }, eventId) {
    clearTimeout(this.#timer);
    this.#round = null;
    const crashed = outcome === "crashed";
    this.#curve.stop(round, Math.round((crashed ? crash : paid) * 100));
    this.#show(crashed ? "crashed" : "paid");
    const text = `${ENDS[outcome](paid.toFixed(2), crash?.toFixed(2))}. ${net(round.bet, payout)}`;
    fill(
      byId("crash-outcome"),
      el("strong", {}, text),
      !crashed && crash ? el("span", {}, `It would have crashed at ${crash.toFixed(2)}×.`) : null,
      eventId ? this.#verifier.button(eventId, "Verify this round") : null,
    );
    announce(text);
  }

  #show(state) {
    const focused = document.activeElement === this.#out;
    byId("crash-stage").dataset.state = state;
    this.#out.hidden = state !== "running";
    this.#go.hidden = state === "running";
    if (focused && this.#out.hidden) this.#go.focus();
  }
}

function crashOdds(odds, last) {
  const rows = odds.reaches.map(({ multiplier: m, probability }) => [
    `${m}×`,
    `${probability.percent} %`,
    fraction(probability),
  ]);
  const table = dataTable(
    "How likely a round reaches a multiplier",
    ["Multiplier", "#Chance", "#Exactly"],
    rows,
  );
  return oddsWithRules(odds, [table, el("p", {}, `Lost at once: ${odds.lost_at_once.percent} %.`)], last);
}
