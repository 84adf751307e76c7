-- Projections: what queries read. Each can be made again from the events.

-- One row per round of a game. Amounts are in whole tokens (delta_coin) and gems.
CREATE TABLE game_history (
    partition   int NOT NULL,
    epoch       bigint NOT NULL,
    seq         bigint NOT NULL,
    uid         bigint NOT NULL,
    game_type   text NOT NULL,
    action_type text NOT NULL,
    delta_coin  bigint NOT NULL,
    delta_gem   bigint NOT NULL,
    result_meta jsonb NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (partition, epoch, seq)
);
CREATE INDEX game_history_of_player ON game_history (uid, epoch, seq);
CREATE INDEX game_history_of_player_by_game ON game_history (uid, game_type, epoch, seq);

-- One line per change of a balance; an event may have several. The lines of a player and currency sum to the balance.
CREATE TABLE wallet_ledger (
    partition     int NOT NULL,
    epoch         bigint NOT NULL,
    seq           bigint NOT NULL,
    line          smallint NOT NULL,
    uid           bigint NOT NULL,
    type          text NOT NULL,
    currency      text NOT NULL CHECK (currency IN ('tokens', 'gems')),
    delta         bigint NOT NULL CHECK (delta <> 0),
    balance_after bigint NOT NULL CHECK (balance_after >= 0),
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (partition, epoch, seq, line)
);
CREATE INDEX wallet_ledger_of_player ON wallet_ledger (uid, epoch, seq, line);

-- What each player who pulled on a day has left of it. `day` is in days since 1970-01-01 in the configured zone.
CREATE TABLE gacha_daily (
    day       int NOT NULL,
    uid       bigint NOT NULL,
    tier      text NOT NULL,
    remaining int NOT NULL,
    PRIMARY KEY (day, uid)
);

-- Dead letters: events that a projection could not take. The event itself is in `events` all the same.
CREATE TABLE projection_failures (
    partition  int NOT NULL,
    epoch      bigint NOT NULL,
    seq        bigint NOT NULL,
    projection text NOT NULL,
    error      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, epoch, seq, projection)
);
