-- Events by operation id, for the question what became of an attempt. Not unique: what may stand in the log is for the
-- daemon to judge by (partition, epoch, seq), and a log that holds an id twice must not stop it.
CREATE INDEX events_by_op ON events (op_id);

-- What operators did, which is little among much: pushes of the economy, stock added to pools.
CREATE INDEX events_of_operators ON events (partition, epoch, seq) WHERE uid = 0;
