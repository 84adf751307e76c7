-- Heals: each time a partition of Redis was brought back to what Postgres holds, and what was lost by that.

-- `epoch` is the one that the healer took, which began when it was done. `cause` is the reason of the alarm, or
-- `unfinished` where another healer had not come to its end. `from_entry` is Redis' last entry, `common_entry` the last one that Postgres
-- had too; null: none. `forked` are the entries that Postgres did not have: these events are undone, newest first.
-- `missing` is how many events Redis did not have; null where there is no common one. `rebuilt`: all keys were written
-- anew, and not only those of such events. `seconds` is null where this healer did not come to its end.
CREATE TABLE heals (
    partition    int NOT NULL,
    epoch        bigint NOT NULL,
    cause        text NOT NULL,
    from_entry   text,
    common_entry text,
    forked       text[] NOT NULL,
    missing      bigint,
    rebuilt      boolean NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT now(),
    seconds      double precision,
    PRIMARY KEY (partition, epoch)
);

-- Gaps in the events: an operator has let Redis win over a Postgres that was an old copy. The events after the `last`
-- one that Postgres had, up to the `first` one that Redis still had, are lost; what they did is in the mirror.
CREATE TABLE adoptions (
    partition   int NOT NULL,
    last_entry  text NOT NULL,
    first_entry text NOT NULL,
    adopted_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, first_entry)
);
