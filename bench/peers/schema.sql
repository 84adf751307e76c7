-- Tables of the peers on Postgres, and the pull as a function of the server.
-- The free space in the pages lets updates stay on their page and leave the indexes alone.

DROP TABLE IF EXISTS players, stock, events, items CASCADE;

CREATE TABLE players (
  tokens bigint NOT NULL CHECK (tokens >= 0),
  day integer NOT NULL,
  pulls integer NOT NULL,
  nonce bigint NOT NULL,
  since_legendary integer NOT NULL,
  since_epic integer NOT NULL,
  since_rare integer NOT NULL,
  second bigint NOT NULL,
  second_calls integer NOT NULL,
  minute bigint NOT NULL,
  minute_calls integer NOT NULL,
  client_seed text NOT NULL,
  inner_pad bytea NOT NULL,
  outer_pad bytea NOT NULL,
  commitment bytea NOT NULL,
  uid bigint PRIMARY KEY
) WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE stock (
  rarity integer PRIMARY KEY,
  remaining bigint NOT NULL CHECK (remaining >= 0)
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000);

CREATE TABLE items (
  rarity integer,
  upto integer,
  item text NOT NULL,
  PRIMARY KEY (rarity, upto)
);

CREATE TABLE events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  uid bigint NOT NULL,
  nonce bigint NOT NULL,
  at_ms bigint NOT NULL,
  cost bigint NOT NULL,
  balance bigint NOT NULL,
  rarity integer NOT NULL,
  item text NOT NULL,
  near_miss boolean NOT NULL,
  downgraded_from integer,
  since_legendary integer NOT NULL,
  since_epic integer NOT NULL,
  since_rare integer NOT NULL,
  blocked boolean NOT NULL
);

-- One pull. Rarities count from 0, arrays from 1. Where the rules do not allow it, only `refused` is set.
CREATE OR REPLACE FUNCTION pull(
  of_uid bigint, now_ms bigint, price bigint, daily_limit integer, per_second integer, per_minute integer,
  enforce boolean, upto_ppm integer[], near_miss_ppm integer, hard integer[], limited integer[], items_upto integer[],
  OUT refused text, OUT event events, OUT pulls_today integer, OUT commitment bytea
) LANGUAGE plpgsql AS $$
DECLARE
  p players;
  block bytea;
  r integer;
  u_item double precision;
  drawn integer;
  rarity_due integer;
BEGIN
  SELECT * INTO p FROM players WHERE uid = of_uid FOR UPDATE;

  IF p.second <> now_ms / 1000 THEN p.second := now_ms / 1000; p.second_calls := 0; END IF;
  IF p.minute <> now_ms / 60000 THEN p.minute := now_ms / 60000; p.minute_calls := 0; END IF;
  p.second_calls := p.second_calls + 1;
  p.minute_calls := p.minute_calls + 1;
  event.blocked := p.second_calls > per_second OR p.minute_calls > per_minute;
  IF event.blocked AND enforce THEN refused := 'RATE_LIMITED'; RETURN; END IF;
  IF now_ms / 86400000 > p.day THEN p.day := now_ms / 86400000; p.pulls := 0; END IF;
  IF p.pulls >= daily_limit THEN refused := 'DAILY_GACHA_LIMIT'; RETURN; END IF;
  IF p.tokens < price THEN refused := 'INSUFFICIENT_BALANCE'; RETURN; END IF;

  p.nonce := p.nonce + 1;
  block := sha256(p.outer_pad || sha256(p.inner_pad || convert_to(p.client_seed || ':' || p.nonce || ':0', 'UTF8')));
  r := floor((('x' || encode(substr(block, 1, 7), 'hex'))::bit(56)::bigint >> 4) / 4503599627370496.0::float8 * 1000000);
  u_item := (('x' || encode(substr(block, 8, 7), 'hex'))::bit(56)::bigint >> 4) / 4503599627370496.0::float8;
  rarity_due := CASE
    WHEN hard[1] > 0 AND p.since_legendary >= hard[1] - 1 THEN 0
    WHEN hard[2] > 0 AND p.since_epic >= hard[2] - 1 THEN 1
    WHEN hard[3] > 0 AND p.since_rare >= hard[3] - 1 THEN 2
  END;
  drawn := coalesce(rarity_due, width_bucket(r, upto_ppm));
  event.rarity := drawn;
  IF drawn = ANY (limited) THEN
    UPDATE stock SET remaining = remaining - 1 WHERE rarity = drawn AND remaining > 0;
    IF NOT FOUND THEN event.rarity := 3; event.downgraded_from := drawn; END IF;
  END IF;
  event.near_miss := rarity_due IS NULL AND event.downgraded_from IS NULL
    AND r >= upto_ppm[1] AND r < upto_ppm[1] + near_miss_ppm;
  SELECT i.item INTO STRICT event.item FROM items i
    WHERE i.rarity = event.rarity AND i.upto > floor(u_item * items_upto[event.rarity + 1])::integer
    ORDER BY i.upto LIMIT 1;

  p.since_legendary := CASE WHEN event.rarity = 0 THEN 0 ELSE p.since_legendary + 1 END;
  p.since_epic := CASE WHEN event.rarity = 1 THEN 0 ELSE p.since_epic + 1 END;
  p.since_rare := CASE WHEN event.rarity = 2 THEN 0 ELSE p.since_rare + 1 END;
  p.pulls := p.pulls + 1;
  p.tokens := p.tokens - price;
  INSERT INTO events (uid, nonce, at_ms, cost, balance, rarity, item, near_miss, downgraded_from,
      since_legendary, since_epic, since_rare, blocked)
    VALUES (of_uid, p.nonce, now_ms, price, p.tokens, event.rarity, event.item, event.near_miss,
      event.downgraded_from, p.since_legendary, p.since_epic, p.since_rare, event.blocked)
    RETURNING * INTO event;
  UPDATE players SET tokens = p.tokens, day = p.day, pulls = p.pulls, nonce = p.nonce,
      since_legendary = p.since_legendary, since_epic = p.since_epic, since_rare = p.since_rare,
      second = p.second, second_calls = p.second_calls, minute = p.minute, minute_calls = p.minute_calls
    WHERE uid = of_uid;
  pulls_today := p.pulls;
  commitment := p.commitment;
END $$;
