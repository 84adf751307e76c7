-- Each event once, and what is counted per day. Statements end with a semicolon at the end of a line, and are applied one
-- by one; each may be applied twice. The same on a server and on the embedded engine.

-- Which Postgres these tables are filled from.
CREATE TABLE IF NOT EXISTS installation (
    id           String,
    installed_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = MergeTree ORDER BY id;

-- One row per event of the log. An event is inserted once: its batch has a token, and a batch that comes again within the
-- window is left out. Should one come twice all the same, the rows become one when parts are merged; FINAL sees one.
-- Amounts are in `currency`; the bet and the end of a crash round are two events. `granted` is what rewards.granted gave.
-- The arrays have an item for each draw of a pull, in order: rarity and item delivered, rarity drawn where stock lacked
-- (else empty), flags, and the stock that the draw found (-1: unlimited, or not looked at). The pity_* columns are the
-- counters that the pull found, in draws. `result` is what the command answered, in JSON.
CREATE TABLE IF NOT EXISTS game_events (
    partition           UInt32 CODEC(Delta, ZSTD(1)),
    epoch               UInt64 CODEC(Delta, ZSTD(1)),
    seq                 UInt64 CODEC(Delta, ZSTD(1)),
    event_type          LowCardinality(String),
    player_id           UInt64 CODEC(ZSTD(1)),
    tier                LowCardinality(String),
    created_at          DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    op_id               String CODEC(ZSTD(1)),
    economy             LowCardinality(String),
    rules               UInt32,
    game                LowCardinality(String),
    banner              LowCardinality(String),
    currency            LowCardinality(String),
    staked              UInt64 CODEC(ZSTD(1)),
    paid                UInt64 CODEC(ZSTD(1)),
    granted             UInt64 CODEC(ZSTD(1)),
    draws               UInt16,
    rarities            Array(LowCardinality(String)),
    items               Array(LowCardinality(String)),
    downgraded_from     Array(LowCardinality(String)),
    hard_pity           Array(UInt8),
    guaranteed          Array(UInt8),
    near_miss           Array(UInt8),
    stock               Array(Int64),
    pity_legendary      UInt32,
    pity_epic           UInt32,
    pity_rare           UInt32,
    pity_guaranteed     UInt8,
    crash_point         Nullable(Float64),
    action_type         LowCardinality(String),
    result              String CODEC(ZSTD(1)),
    INDEX by_place (epoch, seq) TYPE minmax GRANULARITY 1
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(created_at)
ORDER BY (toDate(created_at), event_type, partition, epoch, seq)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- One row per shop.bought, each event once. gems_granted is 0 where the purchase failed. A view: what is derived from rows
-- that are there once cannot be there twice.
CREATE VIEW IF NOT EXISTS purchases AS
SELECT
    partition, epoch, seq, player_id, tier, created_at,
    JSONExtractString(result, 'sku') AS sku,
    JSONExtractUInt(result, 'price_cents') AS price_cents,
    JSONExtractString(result, 'currency') AS currency,
    JSONExtractUInt(result, 'gems_granted') AS gems_granted,
    JSONExtractString(result, 'charge_id') AS charge_id,
    JSONExtractString(result, 'receipt_code') AS receipt_code
FROM game_events FINAL
WHERE event_type = 'shop.bought';

-- What follows is counted anew for a whole day, from game_events with FINAL, whenever that day got events; the row
-- with the highest version counts. So read these tables with FINAL, and never sum their versions.

-- Purchases that granted something, by day (UTC), article and currency of the price.
CREATE TABLE IF NOT EXISTS purchases_daily_agg (
    day           Date,
    sku           LowCardinality(String),
    currency      LowCardinality(String),
    purchases     UInt64,
    buyers        UInt64,
    revenue_cents UInt64,
    gems_granted  UInt64,
    version       UInt64
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(day)
ORDER BY (day, sku, currency);

-- What was staked and paid, by day (UTC), game, banner (empty but for the gacha) and currency. `rounds` counts the events
-- that took a stake or drew: of a crash round that is its bet.
CREATE TABLE IF NOT EXISTS games_daily_agg (
    day      Date,
    game     LowCardinality(String),
    banner   LowCardinality(String),
    currency LowCardinality(String),
    rounds   UInt64,
    draws    UInt64,
    players  UInt64,
    staked   UInt64,
    paid     UInt64,
    version  UInt64
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(day)
ORDER BY (day, game, banner, currency);

-- The days (UTC) on which a command of the player's own did something, with the first and the last time: not what the
-- system settled for them, nor what an admin gave them.
CREATE TABLE IF NOT EXISTS players_daily (
    day       Date,
    player_id UInt64,
    tier      LowCardinality(String),
    events    UInt64,
    first_at  DateTime64(3, 'UTC'),
    last_at   DateTime64(3, 'UTC'),
    version   UInt64
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(day)
ORDER BY (day, player_id);
