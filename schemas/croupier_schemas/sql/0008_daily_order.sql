-- Which event a row of gacha_daily follows from, so that one written late, from the dead letters, does not undo a newer
-- one. Of the rows that are there already no more is known than that they are not newer than the cursor.
ALTER TABLE gacha_daily
    ADD COLUMN epoch bigint NOT NULL DEFAULT 0,
    ADD COLUMN seq   bigint NOT NULL DEFAULT 0;
UPDATE gacha_daily SET (epoch, seq) = (
    SELECT coalesce(max(epoch), 0), coalesce(max(seq), 0) FROM partitions
);
ALTER TABLE gacha_daily ALTER COLUMN epoch DROP DEFAULT, ALTER COLUMN seq DROP DEFAULT;

-- How often the dead letter was tried again in vain.
ALTER TABLE projection_failures ADD COLUMN replays int NOT NULL DEFAULT 0;
