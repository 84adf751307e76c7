"""What Redis refuses to Croupier's user: everything else than what Croupier needs."""

import pytest
import redis

from croupier.permissions import USER
from croupier.transport import ReplyError, Transport, Unavailable
from tests.redis_server import administrator, url_with

DANGEROUS = (
    "FLUSHALL", "FLUSHDB", "SWAPDB 0 1", "KEYS *", "RANDOMKEY", "DBSIZE", "DUMP {0}:head", "RESTORE {0}:head 0 x",
    "MIGRATE 127.0.0.1 1 {0}:head 0 1", "COPY {0}:head {0}:other", "MOVE {0}:head 1", "SORT {0}:head",
    "CONFIG GET *", "CONFIG SET maxmemory-policy allkeys-lru", "CONFIG REWRITE",
    "MODULE LIST", "ACL WHOAMI", "ACL LIST", "ACL SETUSER croupier +@all", "ACL LOAD",
    "SHUTDOWN NOSAVE", "REPLICAOF NO ONE", "FAILOVER", "PSYNC ? -1", "SYNC", "SAVE", "BGSAVE", "BGREWRITEAOF",
    "EVAL return 0", "EVAL_RO return 0", "SCRIPT FLUSH", "SCRIPT KILL", "FUNCTION FLUSH", "FUNCTION LOAD x",
    "CLIENT KILL TYPE normal", "CLIENT LIST", "CLIENT PAUSE 1", "CLIENT NO-EVICT on", "MONITOR", "SLOWLOG GET",
    "LATENCY RESET", "MEMORY PURGE", "OBJECT ENCODING {0}:head", "CLUSTER INFO", "MULTI", "PSUBSCRIBE *",
    "PUBSUB CHANNELS",
)  # fmt: skip

SWITCHED_OFF = ("DEBUG SLEEP 0", "MODULE LOAD /tmp/x.so")
"""A server may be configured to take these from some; by default it does not come to ask about the user."""

FOREIGN = (
    "GET session", "SET session x", "DEL session", "MGET {0}:head session", "RENAME {0}:head session",
    "HGETALL session",
    "XADD session * a b", "XREAD STREAMS session 0", "PUBLISH news x", "SUBSCRIBE news", "GET {partition}:head",
)  # fmt: skip
"""Of another application on the same server."""


@pytest.mark.parametrize("commands", [DANGEROUS, FOREIGN], ids=["dangerous", "foreign"])
async def test_given_croupiers_user_when_it_does_what_croupier_never_does_then_each_is_refused(
    redis_url: str, commands: tuple[str, ...]
) -> None:
    transport = Transport(redis_url)
    await transport.open()

    answers = {command: await answer(transport, command) for command in commands}

    assert {command: said for command, said in answers.items() if not said.startswith("NOPERM")} == {}
    await transport.close()


async def answer(transport: Transport, command: str) -> str:
    words = command.split()
    if words[0].startswith("EVAL"):
        words = [words[0], " ".join(words[1:]), "0"]
    try:
        return repr(await transport.call(*words))
    except ReplyError as error:
        return str(error)


def test_given_what_is_switched_off_as_well_when_asked_then_croupiers_user_may_not_do_it_either(
    redis_url: str,
) -> None:
    with administrator(redis_url) as client:
        for command in SWITCHED_OFF:
            assert b"has no permissions" in client.acl_dryrun(USER, *command.split())


async def test_given_a_script_of_ones_own_when_it_reaches_further_then_redis_stops_it(
    redis_url: str,
) -> None:
    with administrator(redis_url) as client:
        client.set("session", "of another application")
    with redis.Redis.from_url(redis_url) as client:
        for text in ("redis.call('FLUSHALL')", "redis.call('GET', 'session')", "redis.call('KEYS', '*')"):
            digest = client.script_load(text)
            with pytest.raises(redis.ResponseError, match="ACL failure in script"):
                client.evalsha(digest, 0)
    with administrator(redis_url) as client:
        assert client.get("session") == b"of another application"


async def test_given_no_login_when_connected_then_it_is_refused(redis_url: str) -> None:
    transport = Transport(url_with("", redis_url))
    with pytest.raises(Unavailable, match="NOAUTH"):
        await transport.open()
    await transport.close()
