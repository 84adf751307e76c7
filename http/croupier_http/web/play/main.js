/** The play page: signs in, connects, and puts the games together. */

import { Api } from "../shared/api.js";
import { Client } from "../shared/client.js";
import { byId } from "../shared/dom.js";
import { title } from "../shared/format.js";
import { nameOf, openSession } from "../shared/session.js";
import { LiveSocket } from "../shared/socket.js";
import { themeToggle } from "../shared/theme.js";
import { mountCrash } from "./crash.js";
import { mountFairness } from "./fairness.js";
import { mountGacha } from "./gacha.js";
import { mountHistory } from "./history.js";
import { mountLatest } from "./latest.js";
import { showLink } from "./link.js";
import { Player } from "./player.js";
import { mountRps } from "./rps.js";
import { mountSessions } from "./sessions.js";
import { mountSlot } from "./slot.js";
import { Verifier } from "./verifier.js";
import { mountViews } from "./views.js";

/**
 * @typedef {object} App what the games work with
 * @property {Api} api
 * @property {Player} player
 * @property {Verifier} verifier
 */

const PLAYERS_ONLY = ["games", "tabs", "wallet", "link", "signout", "who"];

const session = openSession("play");
themeToggle(byId("theme"));
byId("signout").addEventListener("click", () => session.signOut());
byId("signin-form").addEventListener("submit", (event) => {
  event.preventDefault();
  session.signIn(byId("signin-token").value);
});

if (session.token) play();
else askForToken();

function askForToken(why = "") {
  for (const id of PLAYERS_ONLY) byId(id).hidden = true;
  byId("signin").hidden = false;
  if (why) byId("signin-why").textContent = why;
}

function play() {
  const api = new Api(session.token);
  const socket = new LiveSocket(api, "/api/games/ws");
  const player = new Player(api, new Client(api, socket));
  const verifier = new Verifier(api, player);
  const app = { api, player, verifier };

  for (const id of PLAYERS_ONLY) byId(id).hidden = false;
  if (session.claims.sub) byId("who").textContent = title(nameOf(session.claims));
  const parts = [
    mountGacha(app),
    mountCrash(app, socket),
    mountSlot(app),
    mountRps(app),
    mountHistory(app),
    mountSessions(app),
    mountFairness(app),
    mountLatest(app),
  ];
  mountViews();
  showLink(api, socket);

  // Whatever may have been missed is asked for again: before pushes begin, and while they did not come.
  const resync = () => {
    player.refresh();
    for (const part of parts) part.resync();
  };
  api.addEventListener("reachable", resync);
  api.addEventListener("unauthenticated", () => {
    socket.close();
    askForToken(
      "Your sign-in has expired. Paste a new access token, or open the link of `croupier up` again.",
    );
  });
  socket.addEventListener("hello", ({ detail }) => {
    api.setClock(detail.worker_time_ms);
    player.take(detail.balances);
    resync();
  });
  socket.addEventListener("push", ({ detail }) => {
    if (detail.type === "game_event") player.pushed(detail.event);
  });
  resync();
  socket.open();
}
