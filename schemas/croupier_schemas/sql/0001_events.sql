-- The event log, the mirror of Redis, and how far the sync daemon has come.

-- Which Redis belongs to this Postgres: every head in Redis names the same id.
CREATE TABLE installation (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id         text NOT NULL,
    partitions int NOT NULL CHECK (partitions > 0),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- (epoch, seq, op_id, ts_ms) is the cursor: the last event applied; all null before the first one.
-- taken_epoch is the last epoch handed out. An epoch below it is sealed: none of its events is applied any more.
-- taken_identity is the Redis server that it was handed out for.
-- state, reason and detail are what the daemon that owns the partition says of it; `since` is when it began to say so,
-- and seen_at when it last did.
CREATE TABLE partitions (
    partition      int PRIMARY KEY,
    epoch          bigint,
    seq            bigint,
    op_id          bytea,
    ts_ms          bigint,
    taken_epoch    bigint NOT NULL DEFAULT 0,
    taken_identity text NOT NULL DEFAULT '',
    state          text NOT NULL DEFAULT 'starting',
    reason         text NOT NULL DEFAULT '',
    detail         text NOT NULL DEFAULT '',
    since          timestamptz NOT NULL DEFAULT now(),
    seen_at        timestamptz,
    CHECK (num_nulls(epoch, seq, op_id, ts_ms) IN (0, 4)),
    CHECK (epoch <= taken_epoch)
);

-- Every event once. `created` says that it was its player's first. `terms` (msgpack) is what the command was asked to do, `result` what it drew; their forms depend on
-- the type. `changes` are its after-images: msgpack, [[key, field, value or nil], ...].
CREATE TABLE events (
    partition       int NOT NULL,
    epoch           bigint NOT NULL,
    seq             bigint NOT NULL,
    ts_ms           bigint NOT NULL,
    created         boolean NOT NULL,
    type            text NOT NULL,
    uid             bigint NOT NULL,
    tier            text NOT NULL,
    op_id           bytea NOT NULL,
    idempotency_key text NOT NULL,
    request_hash    bytea NOT NULL,
    economy         bytea NOT NULL,
    rules           int NOT NULL,
    terms           bytea NOT NULL,
    result          bytea NOT NULL,
    changes         bytea NOT NULL,
    PRIMARY KEY (partition, epoch, seq)
);

-- The durable part of Redis as of the cursor. `field` is empty for a key that is no hash; (epoch, seq) is the event
-- that wrote the value. Rows of active players are rewritten often; the room left in each page keeps that off the index.
CREATE TABLE mirror (
    partition int NOT NULL,
    key       text NOT NULL,
    field     text NOT NULL,
    value     bytea NOT NULL,
    epoch     bigint NOT NULL,
    seq       bigint NOT NULL,
    PRIMARY KEY (partition, key, field)
) WITH (fillfactor = 80);

-- Every economy that was ever pushed, in canonical form; rows are never deleted.
CREATE TABLE economy_versions (
    version       text PRIMARY KEY,
    canonical     bytea NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now()
);
