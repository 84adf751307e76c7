-- The way of events into ClickHouse: what is still to be inserted, what is to be counted anew, where the topics are read.

-- Batches that were taken from the log, or from Kafka, and may be in ClickHouse or not. A row is written before the
-- insert, in the transaction that moves the cursor or the offsets, and is deleted after it. `events` (msgpack) are the ids,
-- so that the same batch can be made again from this Postgres; the token of the insert follows from both columns.
CREATE TABLE clickhouse_batches (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    events     bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Days (UTC) of which events were inserted since they were counted last; `batch` is the last of those.
CREATE TABLE clickhouse_days (
    day   date PRIMARY KEY,
    batch bigint NOT NULL
);

-- Of two counts of a day the one with the higher version holds.
CREATE SEQUENCE clickhouse_versions;

-- Where the topics are read on, and the generation of the topics (see topic_generation) that these offsets are of.
CREATE TABLE clickhouse_offsets (
    topic           text NOT NULL,
    topic_partition int NOT NULL,
    generation      bigint NOT NULL,
    next_offset     bigint NOT NULL,
    PRIMARY KEY (topic, topic_partition)
);
