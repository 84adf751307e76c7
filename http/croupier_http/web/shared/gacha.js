/** From rolls to the draws of a pull: the steps of docs/fairness.md, with everything on the way. */

export const RARITIES = ["Legendary", "Epic", "Rare", "Common"];
const ABOVE_COMMON = RARITIES.slice(0, 3);

/**
 * @typedef {object} DrawState what one draw leaves for the next
 * @property {Record<string, number>} since draws since each rarity above Common was last delivered
 * @property {boolean} guaranteed
 * @property {Record<string, number>} stock of the limited rarities, as far as it is known
 */

/**
 * @param {{Legendary: number, Epic: number, Rare: number, guaranteed: boolean}} pity a receipt's `state_before`
 * @returns {DrawState}
 */
export function stateBefore(pity) {
  return {
    since: Object.fromEntries(ABOVE_COMMON.map((rarity) => [rarity, pity[rarity]])),
    guaranteed: pity.guaranteed,
    stock: {},
  };
}

/**
 * One draw; moves `state` on.
 * @param {any} table the banner, as a receipt has it
 * @param {DrawState} state
 * @param {number|null} stockSaid stock of the drawn rarity where `state` does not know it: what the receipt says
 * @param {number} u1 roll for the rarity
 * @param {number} u2 roll for the item
 * @returns {{record: Record<string, any>, way: Record<string, any>}} the draw as an event has it, and how it came about
 */
export function draw(table, state, stockSaid, u1, u2) {
  const counters = { ...state.since };
  const weights = softPity(table, state.since);
  const due = ABOVE_COMMON.find((rarity) => isDue(table, state.since, rarity)) ?? null;
  const r = Math.floor(u1 * 1_000_000);
  const drawn = due ?? firstAbove(RARITIES, (rarity) => weights[rarity], r);

  const stockSeen = stockBefore(table, state, drawn, stockSaid);
  const rarity = stockSeen === 0 ? "Common" : drawn;
  if (stockSeen) state.stock[drawn] = stockSeen - 1;

  const guaranteed = rarity === table.rate_up && state.guaranteed;
  const choices = inDrawingOrder(table.items[rarity]).filter((item) => item.featured || !guaranteed);
  const w = choices.reduce((sum, item) => sum + item.weight, 0);
  const r2 = Math.floor(u2 * w);
  const item = firstAbove(choices, (each) => each.weight, r2);
  if (rarity === table.rate_up) state.guaranteed = item !== undefined && !item.featured;
  for (const each of ABOVE_COMMON) state.since[each] = each === rarity ? 0 : state.since[each] + 1;

  const inBand = weights.Legendary <= r && r < weights.Legendary + table.near_miss_ppm;
  return {
    record: {
      rarity,
      item_id: item?.id ?? "",
      near_miss: inBand && due === null && stockSeen !== 0,
      hard_pity: due !== null,
      guaranteed,
      downgraded_from: stockSeen === 0 ? drawn : null,
      stock_seen: stockSeen,
    },
    way: { counters, weights, r, due, drawn, stockSeen, rarity, r2, w },
  };
}

/** Step 1: weights in ppm; each rarity with soft pity grows at the expense of those below it, Common first. */
function softPity(table, since) {
  const weights = { ...table.weights_ppm };
  ABOVE_COMMON.forEach((rarity, rank) => {
    const soft = table.pity[rarity]?.soft;
    const d = since[rarity] + 1;
    if (!soft || d < soft.from_draw) return;
    let wanted = soft.step_ppm * (d - soft.from_draw + 1);
    for (const lower of RARITIES.slice(rank + 1).reverse()) {
      const taken = Math.min(wanted, weights[lower]);
      weights[lower] -= taken;
      weights[rarity] += taken;
      wanted -= taken;
    }
  });
  return weights;
}

/** Step 2. */
function isDue(table, since, rarity) {
  const hard = table.pity[rarity]?.hard ?? null;
  return hard !== null && since[rarity] >= hard - 1;
}

/** Step 4: null where the rarity is unlimited. */
function stockBefore(table, state, drawn, said) {
  if (drawn === "Common" || table.stock[drawn] === null) return null;
  return state.stock[drawn] ?? Math.max(0, said ?? 0);
}

/** Step 6: featured items first, then the others, each in the order of the table. */
function inDrawingOrder(items) {
  return [...items.filter((item) => item.featured), ...items.filter((item) => !item.featured)];
}

/** The first choice whose cumulative weight exceeds r, or else the last one. */
function firstAbove(choices, weightOf, r) {
  let cumulative = 0;
  return choices.find((choice) => (cumulative += weightOf(choice)) > r) ?? choices.at(-1);
}
