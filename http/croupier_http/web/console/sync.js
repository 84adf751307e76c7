/** Panel "Sync": how far Postgres is behind Redis, epochs, heals, adoptions and dead letters. */

import { byId, el, fill } from "../shared/dom.js";
import { amount, dayAndTime, time } from "../shared/format.js";
import { dataTable } from "../shared/table.js";
import { lineChart, timeline } from "./charts.js";
import { span } from "./figures.js";
import { aside, code, state, tableOr } from "./parts.js";
import { Tiles } from "./tiles.js";
import { poll } from "./views.js";

const EVERY_MS = 5000;
const SILENT_S = 10;
const DAY_MS = 86_400_000;
const KINDS = {
  following: "good",
  starting: "idle",
  waiting: "idle",
  healing: "warn",
  unreachable: "warn",
  ended: "warn",
};

/** @param {import("./main.js").App} app */
export function mountSync({ api, samples, servers }) {
  const tiles = new Tiles(byId("sync-tiles"));
  servers.addEventListener("sample", () => showLag(tiles, samples));
  poll("sync", EVERY_MS, async () => {
    const reply = await api.once("GET", "/api/admin/sync");
    byId("sync-as-of").textContent = `Postgres has everything up to ${time(reply.as_of)}.`;
    showPartitions(reply);
    showHeals(reply, api.nowMs());
    showLetters(reply);
    showAdoptions(reply);
    tiles.show("Heals", amount(reply.heals_total), "since there is this Postgres");
    const letters = reply.dead_letters_total;
    tiles.show("Dead letters", amount(letters), "croupier deadletters list", letters ? "warn" : "");
  });
}

function showLag(tiles, samples) {
  const now = samples.newest;
  for (const sink of now.sinks) {
    const late = sink.seconds > 5 ? "warn" : "";
    tiles.show(`Lag of ${sink.sink}`, span(sink.seconds), "age of the oldest event not taken", late);
    tiles.show(`Events for ${sink.sink}`, amount(sink.events), "not taken yet");
    if (sink.state) showExport(tiles, sink);
  }
  tiles.show("Outbox", amount(now.outbox_length), "entries in Redis, with those taken");
  if (!now.sinks.length) {
    fill(byId("lag-events"), aside("This server runs without Postgres: there is nothing to sync."));
    return;
  }
  const known = samples.all.filter((each) => each.sinks.length);
  const points = (value) => known.map((each) => ({ x: Date.parse(each.at), y: value(each.sinks[0]) }));
  const when = (x) => time(new Date(x).toISOString());
  const events = { title: "Lag in events", points: points((sink) => sink.events), format: amount, when };
  const ages = { title: "Lag in time", points: points((sink) => sink.seconds), format: span, when };
  fill(byId("lag-events"), lineChart(events));
  fill(byId("lag-seconds"), lineChart(ages));
}

/** What Postgres has no need of: its partitions and dead letters have tables of their own. */
function showExport(tiles, sink) {
  const kind = sink.state === "following" ? "" : sink.state === "starting" ? "warn" : "bad";
  tiles.show(`Export to ${sink.sink}`, sink.state, "by croupier export", kind);
  const kept = sink.dead_letters ? "warn" : "";
  tiles.show(`Dead letters of ${sink.sink}`, amount(sink.dead_letters), "croupier deadletters list", kept);
}

function showPartitions(reply) {
  const rows = reply.partitions.map((each) => {
    const silent = each.silent_s === null || each.silent_s > SILENT_S;
    const kind = silent ? "bad" : (KINDS[each.state] ?? "bad");
    return [
      String(each.partition),
      state(kind, silent ? `silent (${each.state})` : each.state),
      [each.reason, each.detail].filter(Boolean).join(": ") || "–",
      dayAndTime(each.since),
      each.silent_s === null ? "never" : span(each.silent_s),
      String(each.epoch),
      code(each.last_event ?? "none"),
      each.last_event_at ? time(each.last_event_at) : "–",
    ];
  });
  const head = ["#partition", "State", "Reason", "Since", "#last heard, ago", "#epoch", "Last event", "Its time"];
  fill(byId("partitions"), dataTable("Partitions", head, rows));
}

function showHeals(reply, nowMs) {
  const marks = reply.heals.map((heal) => Date.parse(heal.started_at));
  const from = Math.min(nowMs - DAY_MS, ...marks);
  const rows = reply.heals.map((heal) => [
    dayAndTime(heal.started_at),
    heal.cause,
    String(heal.epoch),
    amount(heal.undone),
    heal.missing === null ? "no common event" : amount(heal.missing),
    heal.rebuilt ? "yes" : "no",
    heal.seconds === null ? state("warn", "not finished") : span(heal.seconds),
  ]);
  const head = [
    "Time", "Cause", "#epoch begun", "#events undone", "#events that Redis lacked", "All keys anew", "Took",
  ];
  const caption = listed("Redis made from Postgres again", rows, reply.heals_total);
  const when = (x) => dayAndTime(new Date(x).toISOString());
  fill(
    byId("heals"),
    el("h2", {}, "Heals"),
    rows.length ? timeline({ title: "Heals over time", marks, from, to: nowMs, when }) : null,
    tableOr(caption, head, rows, "Redis never had to be made from Postgres again."),
  );
}

function showLetters(reply) {
  const rows = reply.dead_letters.map((letter) => [
    dayAndTime(letter.created_at),
    code(letter.event_id),
    letter.projection,
    letter.error,
    amount(letter.replays),
  ]);
  const caption = listed("Events that could not be projected", rows, reply.dead_letters_total);
  const head = ["Time", "Event", "Projection or table", "Error", "#tried again"];
  fill(
    byId("letters"),
    el("h2", {}, "Dead letters"),
    tableOr(caption, head, rows, "None: every event is in the tables that queries read."),
  );
}

function showAdoptions(reply) {
  const rows = reply.adoptions.map((each) => [
    dayAndTime(each.adopted_at),
    code(each.last_event),
    code(each.first_event),
  ]);
  const caption = listed("Redis won over an old copy of Postgres", rows, reply.adoptions_total);
  byId("adoptions").hidden = !rows.length;
  const table = dataTable(caption, ["Time", "Last event before", "First event after"], rows);
  fill(byId("adoptions"), el("h2", {}, "Gaps in the log"), table);
}

function listed(caption, rows, total) {
  return rows.length < total ? `${caption}, the newest ${rows.length} of ${amount(total)}` : caption;
}
