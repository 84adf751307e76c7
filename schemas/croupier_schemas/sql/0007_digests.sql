-- A chain of digests over the event log, made when an event is written, so that a later change of any column is found.
-- It is the first 16 bytes of SHA-256 over the digest of the partition's event before (nothing, where that has none) and
-- the event's other columns in the order of the table, as a msgpack array. Null for events from before this migration.
ALTER TABLE events ADD COLUMN digest bytea;
