-- The first event of a batch that is still to be inserted. Where the cursor stands beyond it already, ClickHouse may lack
-- all events from it on; who tells how far ClickHouse is behind begins there. Null in batches that were taken before.
ALTER TABLE clickhouse_batches
    ADD COLUMN partition int,
    ADD COLUMN epoch     bigint,
    ADD COLUMN seq       bigint;
