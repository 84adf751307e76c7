-- Rewards, and what is done at most once per key, for ever.

-- The events of such commands by their key: looked up before each of them, so that a key is known for as long as its
-- event is kept. Not unique: what may stand in the log is not for an index to judge.
CREATE INDEX events_once_per_key ON events (uid, idempotency_key)
    WHERE type IN ('rewards.granted', 'session.ended');

-- One row per reward granted; amounts in whole tokens or gems. An empty key is none. Two rewards of a player under one
-- key cannot be: the second one's row is refused, and goes to the dead letters.
CREATE TABLE user_rewards (
    partition          int NOT NULL,
    epoch              bigint NOT NULL,
    seq                bigint NOT NULL,
    uid                bigint NOT NULL,
    reward_type        text NOT NULL CHECK (reward_type IN ('TOKENS', 'GEMS')),
    amount             bigint NOT NULL CHECK (amount > 0),
    source_description text NOT NULL,
    key                text NOT NULL,
    granted_by         bigint NOT NULL,
    created_at         timestamptz NOT NULL,
    PRIMARY KEY (partition, epoch, seq)
);
CREATE INDEX user_rewards_of_player ON user_rewards (uid, epoch, seq);
CREATE UNIQUE INDEX user_rewards_once_per_key ON user_rewards (uid, key) WHERE key <> '';
