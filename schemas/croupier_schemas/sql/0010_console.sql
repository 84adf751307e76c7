-- What the console asks for: how pools went, and the events of one player.

-- Limited stock by the hour, from when this table is there: what was drawn and added in it, and what was left at its
-- end, in items. (epoch, seq) is the event that `remaining` follows from. An hour in which nothing changed has no row.
CREATE TABLE pool_hours (
    partition int NOT NULL,
    banner    text NOT NULL,
    rarity    text NOT NULL,
    hour      timestamptz NOT NULL,
    remaining bigint NOT NULL,
    drawn     bigint NOT NULL,
    added     bigint NOT NULL,
    epoch     bigint NOT NULL,
    seq       bigint NOT NULL,
    PRIMARY KEY (partition, banner, rarity, hour)
);
CREATE INDEX pool_hours_by_time ON pool_hours (hour);

-- The last event of each partition that came before this table: what changed a pool until then has no row in it.
CREATE TABLE pool_hours_after (
    partition int PRIMARY KEY,
    epoch     bigint NOT NULL,
    seq       bigint NOT NULL
);
INSERT INTO pool_hours_after SELECT partition, epoch, seq FROM partitions WHERE epoch IS NOT NULL;

-- Everything that a player did, newest first.
CREATE INDEX events_of_player ON events (uid, epoch, seq);
