/** Panel "Overview": how the servers are, how much they do, how fast, and what limits refuse. */

import { byId, fill } from "../shared/dom.js";
import { amount } from "../shared/format.js";
import { dataTable } from "../shared/table.js";
import { sparkline } from "./charts.js";
import { percent, rate, span } from "./figures.js";
import { aside, code, counted, state, tableOr } from "./parts.js";
import { byCommand, byLimit, byOperation, givesCommands, place, quantile, seconds, sum, together } from "./rates.js";
import { Tiles } from "./tiles.js";

const RATE_MS = 10_000;
const TIMES_MS = 60_000;
const ALERT_BLOCKED = 0.05;

/** @param {import("./main.js").App} app */
export function mountOverview({ samples, servers }) {
  const tiles = new Tiles(byId("tiles"));
  servers.addEventListener("sample", () => {
    const now = samples.newest;
    const before = samples.before(RATE_MS);
    const minute = samples.before(TIMES_MS);
    showTiles(tiles, samples, now, before ?? now, minute ?? now);
    showChecks(now);
    showBlocks(now, before ?? now);
    showCommands(now, before ?? now);
    showOperations(now, before ?? now, minute ?? now);
  });
}

function showTiles(tiles, samples, now, before, minute) {
  const passed = seconds(before, now);
  const { failed } = together(byOperation(before, now).values());
  const times = together(ofCommands(minute, now)).buckets;
  const commands = allCommands(before, now);
  const blocked = sum([...byLimit(before, now).values()]);
  const share = commands ? blocked / commands : 0;
  const p99 = quantile(times, now.bounds_s, 0.99);
  const { redis } = now;
  const trend = (value) => trends(samples.all, value);
  const given = "per second, by HTTP and WebSocket";
  tiles.show("Commands", rate(commands / passed), given, "", trend(allCommands));
  const median = span(quantile(times, now.bounds_s, 0.5));
  tiles.show("Command time, median", median, "of commands by HTTP");
  tiles.show("Command time, p99", span(p99), "of commands by HTTP", p99 !== null && p99 > 0.5 ? "warn" : "");
  const others = "per second: reads, files, and what consoles ask";
  tiles.show("Other requests", rate(otherRequests(before, now) / passed), others, "", trend(otherRequests));
  const errors = "status 500 and above, per second, of all requests";
  tiles.show("Errors", rate(failed / passed), errors, failed ? "bad" : "");
  const often = `of commands; ${rate(blocked / passed)} per second, by rate limits`;
  tiles.show("Blocked", percent(share), often, share > ALERT_BLOCKED ? "warn" : "");
  tiles.show("Breaker", BREAKER[redis.breaker][1], `${redis.breaker_openings} openings`, BREAKER[redis.breaker][0]);
  tiles.show("In flight", String(now.http_in_flight), `${redis.in_flight} wait for Redis`);
  const memory = redis.memory_percent ? `${redis.memory_percent.toFixed(0)} %` : "no limit";
  const losses = `${redis.reconnects} reconnects, ${redis.unknown_outcomes} unknown outcomes`;
  tiles.show("Redis memory", memory, losses, redis.memory_percent > 80 ? "warn" : "");
  showSockets(tiles, now, before, minute);
  const [sink] = now.sinks;
  if (sink) tiles.show("Sync lag", span(sink.seconds), `${sink.events} events`, sink.seconds > 5 ? "warn" : "");
  else tiles.show("Sync lag", "none", "no Postgres");
}

function showSockets(tiles, now, before, minute) {
  const passed = seconds(before, now) || 1;
  const grown = (name) => now.sockets[name] - before.sockets[name];
  const kinds = Object.entries(now.sockets.open).map(([kind, n]) => `${kind} ${amount(n)}`);
  const open = sum(Object.values(now.sockets.open));
  tiles.show("Sockets", amount(open), kinds.join(", ") || "no WebSocket was opened yet");
  const frames = rate((grown("frames_in") + grown("frames_out")) / passed);
  const [dropped, closed] = [grown("pushes_dropped"), grown("slow_readers_closed")];
  const lost = `${counted(dropped, "push", "pushes")} dropped, ${counted(closed, "slow reader")} closed`;
  tiles.show("Frames", frames, `per second; ${lost}`, dropped + closed ? "warn" : "");
  const pushed = now.sockets.fanout_buckets.map((n, i) => n - (minute.sockets.fanout_buckets[i] ?? 0));
  const p99 = quantile(pushed, now.sockets.fanout_bounds_s, 0.99);
  tiles.show("Fan-out, p99", span(p99), "from an event to its push", p99 !== null && p99 > 1 ? "warn" : "");
}

const BREAKER = { closed: ["good", "Closed"], probing: ["warn", "Probing"], open: ["bad", "Open"] };

const allCommands = (a, b) => sum([...byCommand(a, b).values()].map((outcomes) => sum(Object.values(outcomes))));
const ofCommands = (a, b, wanted = true) => {
  const gives = givesCommands(b);
  return [...byOperation(a, b)].filter(([operation]) => gives(operation) === wanted).map(([, each]) => each);
};
const otherRequests = (a, b) => together(ofCommands(a, b, false)).count;

/** A value per second between each two replies. */
function trends(replies, difference) {
  const points = replies.slice(1).map((reply, i) => ({
    x: Date.parse(reply.at),
    y: difference(replies[i], reply) / (seconds(replies[i], reply) || 1),
  }));
  return sparkline({ title: "The last minutes", points, format: (value) => `${rate(value)} per second` });
}

function showChecks(now) {
  const judged = (outcome) => (outcome === "ok" ? state("good", "OK") : state("bad", outcome));
  const rows = Object.entries(now.checks).map(([name, outcome]) => [name, judged(outcome)]);
  fill(byId("checks"), dataTable("Health", ["Check", "State"], rows));
}

function showBlocks(now, before) {
  const passed = seconds(before, now) || 1;
  const recent = byLimit(before, now);
  const rows = now.blocks
    .map((block) => ({ block, n: recent.get(place(block)) ?? 0 }))
    .sort((one, other) => other.n - one.n || other.block.blocked - one.block.blocked)
    .map(({ block, n }) => [plain(block.endpoint), block.user_tier, rate(n / passed), amount(block.blocked)]);
  const table = dataTable("Blocked by rate limits", ["Endpoint", "Tier", "#per s", "#since start"], rows);
  fill(byId("blocks"), table, rows.length ? null : aside("Nothing was blocked since the server started."));
}

function showCommands(now, before) {
  const passed = seconds(before, now) || 1;
  const recent = byCommand(before, now);
  const rows = now.commands.map(({ command, outcomes }) => {
    const grown = recent.get(command) ?? {};
    const refused = Object.entries(outcomes).filter(([name]) => name !== "ok" && name !== "replayed");
    const words = refused.sort((one, other) => other[1] - one[1]).map(([name, n]) => `${name} ${amount(n)}`);
    return [
      code(command),
      rate((grown.ok ?? 0) / passed),
      amount(outcomes.ok ?? 0),
      amount(outcomes.replayed ?? 0),
      words.join(", ") || "–",
    ];
  });
  const head = ["Command", "#done per s", "#done", "#replayed", "Refused, since start"];
  const none = rows.length ? null : aside("No command was given since the server started.");
  fill(byId("commands"), dataTable("Commands", head, rows), none);
}

function showOperations(now, before, minute) {
  const passed = seconds(before, now) || 1;
  const recent = byOperation(before, now);
  const times = byOperation(minute, now);
  const gives = givesCommands(now);
  const rows = (commands) =>
    now.operations
      .filter((each) => gives(each.operation) === commands && each.buckets.at(-1))
      .map((each) => ({ each, count: recent.get(each.operation).count, total: each.buckets.at(-1) }))
      .sort((one, other) => other.count - one.count || other.total - one.total)
      .map(({ each, count, total }) => {
        const { buckets, failed } = times.get(each.operation);
        return [
          plain(each.operation),
          rate(count / passed),
          span(quantile(buckets, now.bounds_s, 0.5)),
          span(quantile(buckets, now.bounds_s, 0.99)),
          String(failed),
          amount(total),
        ];
      });
  const head = ["Operation", "#per s", "#median", "#p99", "#errors", "#since start"];
  fill(
    byId("operations"),
    tableOr("Commands by HTTP", head, rows(true), "No command was given by HTTP since the server started."),
    dataTable("Other requests", head, rows(false)),
  );
}

/** The name of an operation without its version, which is the same for all. */
const plain = (operation) => code(operation.replace(/_v1$/, ""));
