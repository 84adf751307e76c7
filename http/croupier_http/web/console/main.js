/** The console: signs an operator in, and puts the panels together. */

import { Api, ApiError } from "../shared/api.js";
import { byId, fill, pause } from "../shared/dom.js";
import { title } from "../shared/format.js";
import { nameOf, openSession } from "../shared/session.js";
import { themeToggle } from "../shared/theme.js";
import { mountLive } from "./live.js";
import { mountLog } from "./log.js";
import { mountOdds } from "./odds.js";
import { mountOverview } from "./overview.js";
import { code } from "./parts.js";
import { mountPlayer } from "./player.js";
import { mountPools } from "./pools.js";
import { mountReceipt } from "./receipt.js";
import { Samples } from "./rates.js";
import { mountSync } from "./sync.js";
import { mountViews, open, poll } from "./views.js";

const SERVERS = "/api/admin/operations";
const SERVERS_MS = 2000;
const UNREACHABLE = "The server cannot be reached. What is shown is from before; it goes on by itself.";
const STATUSES = { ready: ["good", "Ready"], degraded: ["warn", "Degraded"], not_ready: ["bad", "Not ready"] };

/**
 * @typedef {object} App what the panels work with
 * @property {Api} api
 * @property {Samples} samples replies of `/api/admin/operations`
 * @property {EventTarget} servers has the event `sample` after each of them
 * @property {(eventId: string) => void} verify opens the receipt of an event
 * @property {(userId: number) => void} lookUp opens a player
 */

const session = openSession("console");
themeToggle(byId("theme"));
byId("signout").addEventListener("click", () => session.signOut());
byId("signin-form").addEventListener("submit", (event) => {
  event.preventDefault();
  session.signIn(byId("signin-token").value);
});

if (session.token) start(new Api(session.token));
else askForToken();

function askForToken(...why) {
  byId("panels").hidden = true;
  byId("tabs").hidden = true;
  byId("signin").hidden = false;
  byId("signout").hidden = !session.token;
  if (why.length) fill(byId("signin-why"), ...why);
}

/** One request decides whether there is anything to show; with another role each panel would say no by itself. */
async function start(api) {
  api.addEventListener("unauthenticated", () => askForToken("Your access token has expired. Paste a new one."));
  api.addEventListener("reachable", () => showTrouble(""));
  api.addEventListener("unreachable", () => showTrouble(UNREACHABLE));
  for (;;) {
    try {
      show(api, await api.get(SERVERS));
      return;
    } catch (error) {
      if (error.status === 401) return;
      if (error.status === 403) return refuse();
      if (!(error instanceof ApiError)) throw error;
      if (error.status) showTrouble(error.message);
      await pause(SERVERS_MS);
    }
  }
}

function refuse() {
  const role = code(session.claims.role ?? "unknown");
  const why = "This token is not an operator's: its role is ";
  askForToken(why, role, ", and the console needs ", code("admin"), ". Paste another one.");
}

function show(api, first) {
  const samples = new Samples();
  const servers = new EventTarget();
  const sample = (reply) => {
    samples.add(reply);
    showTrouble("");
    showStatus(reply);
    servers.dispatchEvent(new Event("sample"));
  };
  const app = { api, samples, servers, verify: () => {}, lookUp: () => {} };
  byId("panels").hidden = false;
  if (session.claims.sub) byId("who").textContent = title(nameOf(session.claims));
  const receipt = mountReceipt(app);
  const player = mountPlayer(app);
  app.verify = (eventId) => (open("receipt"), receipt(eventId));
  app.lookUp = (userId) => (open("player"), player(userId));
  for (const mount of [mountOverview, mountPools, mountSync, mountOdds, mountLive, mountLog]) mount(app);
  sample(first);
  mountViews();
  poll(null, SERVERS_MS, async () => {
    try {
      sample(await api.once("GET", SERVERS));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status) showTrouble(error.message);
    }
  });
}

/** Says above everything that what is shown is not of now; an empty text takes that back. */
function showTrouble(text) {
  const place = byId("offline").firstElementChild;
  // What is said already would be heard again with every attempt.
  if (place.textContent !== text) fill(place, text);
  byId("offline").hidden = !text;
  if (!text) return;
  byId("status").dataset.state = "bad";
  byId("status-text").textContent = "No answer";
}

function showStatus(reply) {
  const [state, word] = STATUSES[reply.status];
  byId("status").dataset.state = state;
  byId("status-text").textContent = word;
  byId("updated").textContent = `${new Date(reply.at).toLocaleTimeString("en-GB")} · ${reply.version}`;
}
