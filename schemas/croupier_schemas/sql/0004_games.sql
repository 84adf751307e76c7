-- Projections of games and sessions: like those of history, each can be made again from the events.

-- Rounds of a player in a game, from the first one on; amounts in tokens. A round of crash counts when it is settled.
-- Won is a round that paid more than its bet, lost one that paid less; biggest_win is the largest payout of one round.
CREATE TABLE game_stats (
    uid            bigint NOT NULL,
    game_type      text NOT NULL,
    rounds         bigint NOT NULL,
    wins           bigint NOT NULL,
    losses         bigint NOT NULL,
    total_bet      bigint NOT NULL,
    total_win      bigint NOT NULL,
    biggest_win    bigint NOT NULL,
    last_played_at timestamptz NOT NULL,
    PRIMARY KEY (uid, game_type),
    CHECK (wins + losses <= rounds)
) WITH (fillfactor = 80);

-- Rounds of crash. external_session_id is the `game_id` of the API; a round that paid at its target counts as cashed.
-- auto_cashout is null where the target is the largest multiplier that there is. The crash point is null while the round
-- is open, like all that its end decides.
CREATE TABLE crash_sessions (
    external_session_id text PRIMARY KEY,
    uid                 bigint NOT NULL,
    status              text NOT NULL CHECK (status IN ('active', 'cashed', 'crashed')),
    bet_amount          bigint NOT NULL CHECK (bet_amount > 0),
    auto_cashout        numeric(12, 2),
    cashout_multiplier  numeric(12, 2),
    crash_multiplier    numeric(12, 2),
    payout_amount       bigint,
    started_at          timestamptz NOT NULL,
    cashed_out_at       timestamptz,
    CHECK ((status = 'active') = (payout_amount IS NULL)),
    CHECK ((status = 'active') = (crash_multiplier IS NULL)),
    CHECK ((status = 'cashed') = (cashout_multiplier IS NOT NULL)),
    CHECK ((status = 'cashed') = (cashed_out_at IS NOT NULL))
);
CREATE INDEX crash_sessions_of_player ON crash_sessions (uid, started_at);
CREATE INDEX crash_sessions_active ON crash_sessions (started_at) WHERE status = 'active';

-- Sessions. What was played in an open one is in Redis; rounds, bet and win are filled in at its end.
CREATE TABLE game_sessions (
    session_id text PRIMARY KEY,
    uid        bigint NOT NULL,
    game_type  text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz,
    rounds     bigint NOT NULL,
    bet        bigint NOT NULL,
    win        bigint NOT NULL
);
CREATE INDEX game_sessions_of_player ON game_sessions (uid, started_at);
