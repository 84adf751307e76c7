/** From counters, which only grow, to what happens now: differences between two replies of `/api/admin/operations`. */

const KEPT_MS = 150_000;

/**
 * @typedef {object} Difference of one operation, or of all
 * @property {number} count replies
 * @property {number} failed replies with status 500 and above
 * @property {number[]} buckets replies within each bound, then all
 */

/** The replies of the last minutes, oldest first. */
export class Samples {
  /** @type {any[]} */
  #replies = [];

  /**
   * Add a reply. A server that was started again counts from 0: what was before is forgotten then.
   * @param {any} reply
   */
  add(reply) {
    const last = this.newest;
    if (last && (requests(reply) < requests(last) || Date.parse(reply.at) < Date.parse(last.at))) this.#replies = [];
    this.#replies.push(reply);
    const from = Date.parse(reply.at) - KEPT_MS;
    this.#replies = this.#replies.filter((each) => Date.parse(each.at) >= from);
  }

  /** @returns {any} the last reply, or undefined */
  get newest() {
    return this.#replies.at(-1);
  }

  /** @returns {any[]} all, oldest first */
  get all() {
    return this.#replies;
  }

  /**
   * The reply that the newest one is compared with.
   * @param {number} ms how far back
   * @returns {any} undefined where there is no other
   */
  before(ms) {
    const wanted = Date.parse(this.newest.at) - ms;
    const older = this.#replies.slice(0, -1);
    return older.findLast((each) => Date.parse(each.at) <= wanted) ?? older[0];
  }
}

/** @param {any} before @param {any} after @returns {number} seconds between two replies */
export const seconds = (before, after) => (Date.parse(after.at) - Date.parse(before.at)) / 1000;

/**
 * What each operation answered between two replies.
 * @param {any} before
 * @param {any} after
 * @returns {Map<string, Difference>}
 */
export function byOperation(before, after) {
  const earlier = new Map(before.operations.map((each) => [each.operation, each]));
  return new Map(
    after.operations.map((each) => {
      const old = earlier.get(each.operation) ?? { statuses: {}, buckets: [] };
      const statuses = Object.entries(each.statuses);
      const grown = statuses.map(([status, n]) => [Number(status), n - (old.statuses[status] ?? 0)]);
      return [
        each.operation,
        {
          count: sum(grown.map(([, n]) => n)),
          failed: sum(grown.filter(([status]) => status >= 500).map(([, n]) => n)),
          buckets: each.buckets.map((n, i) => n - (old.buckets[i] ?? 0)),
        },
      ];
    }),
  );
}

/**
 * Whether an operation gives a command; the others read, or serve files, the console's own questions among them.
 * @param {any} reply
 * @returns {(operation: string) => boolean}
 */
export function givesCommands(reply) {
  const gives = reply.operations.filter((/** @type {any} */ each) => each.is_command);
  const operations = new Set(gives.map((/** @type {any} */ each) => each.operation));
  return (operation) => operations.has(operation);
}

/**
 * @param {Iterable<Difference>} differences
 * @returns {Difference} their sum
 */
export function together(differences) {
  const all = { count: 0, failed: 0, buckets: [] };
  for (const each of differences) {
    all.count += each.count;
    all.failed += each.failed;
    each.buckets.forEach((n, i) => (all.buckets[i] = (all.buckets[i] ?? 0) + n));
  }
  return all;
}

/**
 * A quantile of times, interpolated within its bucket as Prometheus does it.
 * @param {number[]} buckets numbers within each bound, then all
 * @param {number[]} bounds in seconds
 * @param {number} q from 0 to 1
 * @returns {number|null} seconds; the last bound where it is beyond it; null where there are none
 */
export function quantile(buckets, bounds, q) {
  const total = buckets.at(-1) ?? 0;
  if (!total) return null;
  const rank = q * total;
  const i = buckets.findIndex((n) => n >= rank);
  if (i >= bounds.length) return bounds.at(-1);
  const [low, below] = i ? [bounds[i - 1], buckets[i - 1]] : [0, 0];
  return low + ((bounds[i] - low) * (rank - below)) / (buckets[i] - below || 1);
}

/**
 * Commands between two replies: by name, how many with which outcome.
 * @param {any} before
 * @param {any} after
 * @returns {Map<string, Record<string, number>>}
 */
export function byCommand(before, after) {
  const earlier = new Map(before.commands.map((each) => [each.command, each.outcomes]));
  return new Map(
    after.commands.map(({ command, outcomes }) => {
      const old = earlier.get(command) ?? {};
      return [command, Object.fromEntries(Object.entries(outcomes).map(([name, n]) => [name, n - (old[name] ?? 0)]))];
    }),
  );
}

/**
 * Blocks between two replies, by endpoint and tier.
 * @param {any} before
 * @param {any} after
 * @returns {Map<string, number>} by `endpoint tier`
 */
export function byLimit(before, after) {
  const earlier = new Map(before.blocks.map((each) => [place(each), each.blocked]));
  return new Map(after.blocks.map((each) => [place(each), each.blocked - (earlier.get(place(each)) ?? 0)]));
}

/** @param {{endpoint: string, user_tier: string}} block @returns {string} */
export const place = (block) => `${block.endpoint} ${block.user_tier}`;

/** @param {number[]} numbers @returns {number} */
export const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

const requests = (reply) => sum(reply.operations.map((each) => each.buckets.at(-1) ?? 0));
