-- What administrators tell players. A row without a player is for all of them.
CREATE TABLE notifications (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid        bigint,
    title      text NOT NULL,
    body       text NOT NULL,
    data       json NOT NULL,
    sent_by    bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX notifications_of_player ON notifications (uid, id) WHERE uid IS NOT NULL;
CREATE INDEX notifications_for_all ON notifications (id) WHERE uid IS NULL;

-- Which player has read which.
CREATE TABLE notification_reads (
    uid     bigint NOT NULL,
    id      bigint NOT NULL REFERENCES notifications ON DELETE CASCADE,
    read_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (uid, id)
);
