-- How far events have come beyond this Postgres: to Kafka, and to ClickHouse. Each sink is served by one daemon at a time.

-- What the daemon that serves a sink says of it. `since` is when it began to say so, seen_at when it last did.
CREATE TABLE sinks (
    sink    text PRIMARY KEY,
    state   text NOT NULL DEFAULT 'starting',
    detail  text NOT NULL DEFAULT '',
    since   timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz
);

-- Per sink and partition the last event up to which the sink is known to have every event; (0, -1) before the first one.
-- It moves by compare-and-set, and goes back only where a sink has lost what it had.
CREATE TABLE sink_cursors (
    sink       text NOT NULL REFERENCES sinks,
    partition  int NOT NULL,
    epoch      bigint NOT NULL DEFAULT 0,
    seq        bigint NOT NULL DEFAULT -1,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sink, partition)
);

INSERT INTO sinks (sink) VALUES ('kafka'), ('clickhouse');

-- The end of each partition of each topic, as the publisher's last acknowledged batch of messages left it, and where that
-- batch began; and how often it found the end to be another one: then messages were lost, as by a broker that came back
-- empty, or stand there twice.
CREATE TABLE topic_ends (
    topic           text NOT NULL,
    topic_partition int NOT NULL,
    batch_offset    bigint NOT NULL,
    end_offset      bigint NOT NULL,
    PRIMARY KEY (topic, topic_partition)
);
CREATE TABLE topic_generation (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    generation bigint NOT NULL DEFAULT 0
);
INSERT INTO topic_generation DEFAULT VALUES;

-- What a sink could not take, while the rest went on. The event's id is null where a message could not be read; topic,
-- topic_partition and topic_offset say where it was read, where that was Kafka. `key`, `value` and `headers` are the
-- message as it was, of `value` the first 64 KiB.
CREATE TABLE export_failures (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sink            text NOT NULL REFERENCES sinks,
    partition       int,
    epoch           bigint,
    seq             bigint,
    topic           text,
    topic_partition int,
    topic_offset    bigint,
    key             bytea,
    value           bytea,
    headers         jsonb NOT NULL DEFAULT '{}',
    error           text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    replays         int NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX export_failures_once_per_event ON export_failures (sink, partition, epoch, seq);
CREATE UNIQUE INDEX export_failures_once_per_message ON export_failures (sink, topic, topic_partition, topic_offset);
