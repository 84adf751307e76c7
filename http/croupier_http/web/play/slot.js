/** The slot machine. */

import { announce, byId, calm, el, fill, icon, isEnabled, pause, setEnabled } from "../shared/dom.js";
import { clearError, showError } from "../shared/errors.js";
import { amount, fraction, title } from "../shared/format.js";
import { dataTable } from "../shared/table.js";
import { betOf, edition, net, oddsWithRules } from "./rounds.js";

const SHUFFLE_MS = 70;
const FIRST_STOP_MS = 350;
const NEXT_STOP_MS = 260;

/**
 * @param {import("./main.js").App} app
 * @returns {{resync: () => void}}
 */
export function mountSlot({ api, player, verifier }) {
  const error = byId("slot-error");
  const go = byId("slot-go");
  const outcome = byId("slot-outcome");
  let odds = null;

  async function read() {
    const first = odds === null;
    try {
      const reply = await api.get("/api/games/slot/odds");
      odds = reply.odds;
      if (!byId("reels").childElementCount) showWindow(odds.reels.map((strip) => strip.slice(0, 3)));
      fill(byId("slot-odds"), slotOdds(odds, edition(reply.economy, api.nowMs())));
      const rtp = `${Number(odds.rtp.percent).toFixed(2)} % on average`;
      byId("slot-note").textContent = `Three reels, five lines; the bet covers all of them. Pays ${rtp}.`;
      if (first) setEnabled(go, true);
    } catch (problem) {
      showError(error, problem);
    }
  }

  async function spin() {
    const bet = betOf(byId("slot-bet"));
    setEnabled(go, false);
    clearError(error);
    fill(outcome);
    const stop = calm() ? null : shuffle(odds.reels);
    try {
      const reply = await player.command("slot.spin", { bet_amount: bet });
      if (stop) await stop(reply.reels);
      showWindow(
        reply.reels,
        reply.lines.map((line) => odds.lines[line.line].slice(0, line.count)),
      );
      showOutcome(bet, reply);
      setEnabled(go, true);
    } catch (problem) {
      if (stop)
        await stop(
          odds.reels.map((strip) => strip.slice(0, 3)),
          0,
        );
      showError(error, problem, () => setEnabled(go, true));
    }
  }

  function showOutcome(bet, reply) {
    const text = net(bet, reply.payout);
    const lines = reply.lines.map(
      (line) => `line ${line.line + 1}, ${line.count} × ${line.symbol}: ${amount(line.payout)}`,
    );
    fill(
      outcome,
      el("strong", {}, text),
      lines.length ? el("span", {}, lines.join("; ")) : null,
      verifier.button(reply.receipt.event_id, "Verify this spin"),
    );
    announce(`${byId("reels").getAttribute("aria-label")} ${text}. ${lines.join("; ")}`);
  }

  byId("slot-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (isEnabled(go)) spin();
  });
  return { resync: read };
}

/** Show a window; `hits` are the winning lines, each the row of the first reels that it takes. */
function showWindow(reels, hits = []) {
  const hit = (reel, row) => hits.some((rows) => rows[reel] === row);
  const shown = reels.map((symbols, reel) =>
    el(
      "div",
      { class: "reel" },
      symbols.map((symbol, row) => cell(symbol, hit(reel, row))),
    ),
  );
  fill(byId("reels"), shown);
  byId("reels").setAttribute(
    "aria-label",
    `Reels, from the top down: ${reels.map((symbols) => symbols.join(", ")).join("; ")}.`,
  );
}

function cell(symbol, hit = false) {
  const drawing = document.getElementById(symbol) ? icon(symbol) : title(symbol);
  return el("div", { class: hit ? "cell hit" : "cell" }, drawing);
}

/** Let the reels run; what comes back stops them one after the other. */
function shuffle(strips) {
  const reels = [...byId("reels").children];
  const timers = reels.map((reel, i) => {
    reel.classList.add("spinning");
    let at = Math.floor(Math.random() * strips[i].length);
    return setInterval(() => {
      at = (at + 1) % strips[i].length;
      fill(
        reel,
        [2, 1, 0].map((row) => cell(strips[i][(at + row) % strips[i].length])),
      );
    }, SHUFFLE_MS);
  });
  return async (window, firstMs = FIRST_STOP_MS) => {
    for (const [i, reel] of reels.entries()) {
      await pause(i ? Math.min(firstMs, NEXT_STOP_MS) : firstMs);
      clearInterval(timers[i]);
      reel.classList.remove("spinning");
      fill(
        reel,
        window[i].map((symbol) => cell(symbol)),
      );
    }
  };
}

function slotOdds(odds, last) {
  const rows = odds.wins.map(({ symbol, count, percent, probability }) => [
    `${count} × ${title(symbol)}`,
    `${amount(percent)} %`,
    `${probability.percent} %`,
    fraction(probability),
  ]);
  const paytable = dataTable(
    "What a line pays",
    ["From the left", "#Pays, of the whole bet", "#Chance per line", "#Exactly"],
    rows,
  );
  const hits = el("p", {}, `${odds.hit_frequency.percent} % of spins pay something.`);
  return oddsWithRules(odds, [paytable, hits], last);
}
