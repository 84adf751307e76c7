"""No live server seed leaves Redis' volatile fields: everything that a run leaves behind is searched for it."""

import hashlib
from collections.abc import Iterable
from typing import Any

import pytest
import structlog

from croupier.crash.current import CURRENT
from croupier.errors import CroupierError
from croupier.fairness.queries import FAIRNESS, RECEIPT, ReceiptParams
from croupier.gacha.queries import STATS
from croupier.settings import Settings
from croupier.wallet import WALLET
from croupier_schemas.records import PLAYER
from tests.commands.bets import play as play_rps
from tests.commands.bets import spin
from tests.commands.conftest import OpenWorld
from tests.commands.crash_rounds import bet, cash_out
from tests.commands.economies import banner, economy
from tests.commands.world import MASTER_KEY, World, caller, encoded
from tests.model.fairness import INSTALLATION, server_seed

UIDS = range(1, 7)
_INNER, _OUTER = (bytes(byte ^ mask for byte in range(256)) for mask in (0x36, 0x5C))


def traces(secret: str) -> list[bytes]:
    """Forms in which a secret of 64 hex characters could show itself; a quarter of one is enough."""
    text = secret.encode()
    forms = [text, text.upper(), bytes.fromhex(secret), text.translate(_INNER), text.translate(_OUTER)]
    return [form[at : at + len(form) // 4] for form in forms for at in range(0, len(form), len(form) // 4)]


async def play(world: World) -> list[bytes]:
    """All games, rotations, refusals, replays and queries of several players; everything that was answered."""
    said: list[bytes] = []
    for turn in range(3):
        for uid in UIDS:
            pulled = await world.pull(uid, 10, key=f"pull-{turn}")
            said += [encoded(pulled), encoded(await world.pull(uid, 10, key=f"pull-{turn}"))]
            opened = await bet(world, uid)
            others: list[Any] = [await spin(world, uid), await play_rps(world, uid), opened]
            said += [encoded(reply) for reply in others]
            for refused in (world.pull(uid, banner="dear"), world.rotate(uid)):  # the bet is open
                try:
                    await refused
                except CroupierError as error:
                    said.append(repr((error, error.fields)).encode())
            if uid % 2 or turn < 2:  # the others' last bet stays open
                said.append(encoded(await cash_out(world, uid, opened.game_id)))
            if uid % 2:
                said.append(encoded(await world.rotate(uid, f"turn-{turn}", key=f"rotate-{turn}")))
            for query in (FAIRNESS, STATS, WALLET, CURRENT):
                said.append(encoded(await world.ask(query, caller(uid))))
            for reply in (pulled, *others):
                params = ReceiptParams(reply.receipt.event_id)
                said.append(encoded(await world.ask(RECEIPT, caller(uid), params)))
    return said


async def failures(world: World) -> None:
    """What an engine with another master key fails at and logs."""
    other = hashlib.sha256(b"other").hexdigest()
    wrong = await world.another_engine(Settings(master_keys=f"1:{other}"))
    for uid in UIDS:
        with pytest.raises(CroupierError):
            await world.rotate(uid, engine=wrong)


async def everything_but_volatile(world: World) -> list[bytes]:
    """Each key's name and value, players without their volatile tail, and every outbox entry."""
    found: list[bytes] = []
    names: Any = await world.administer("KEYS", "*")
    for name in names:
        found.append(name)
        kind: Any = await world.administer("TYPE", name)
        match kind:
            case b"string":
                value: Any = await world.transport.call("GET", name)
                found.append(value[: PLAYER.durable_size] if b":player:" in name else value)
            case b"hash":
                fields: Any = await world.transport.call("HGETALL", name)
                found += fields
            case b"zset":
                members: Any = await world.administer("ZRANGE", name, 0, -1)
                found += members
            case b"stream":
                entries: Any = await world.transport.call("XRANGE", name, "-", "+")
                found += [part for _, fields in entries for part in fields]
            case other:
                raise AssertionError(f"{name} is a {other}")
    return found


def assert_absent(secrets: Iterable[str], places: list[bytes], where: str) -> None:
    everything = b"\n".join(places)
    for secret in secrets:
        for trace in traces(secret):
            assert trace not in everything, f"a live secret in {where}"


async def test_given_a_run_of_commands_when_all_it_left_is_searched_then_no_live_seed_is_there(
    open_world: OpenWorld, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    dear = banner(cost_tokens={"one": 10**9, "ten": 10**9})
    world = await open_world(economy({"main": banner(stock={"Legendary": 9}), "dear": dear}))
    with structlog.testing.capture_logs() as logs:
        said = await play(world)
        await failures(world)
    players = {uid: await world.existing_player(uid) for uid in UIDS}

    live = [server_seed(MASTER_KEY, uid, player.seed_generation) for uid, player in players.items()]
    coming = [server_seed(MASTER_KEY, uid, player.seed_generation + 1) for uid, player in players.items()]
    secrets = [*live, *coming, MASTER_KEY.hex()]
    assert_absent(secrets, said, "replies")
    assert_absent(secrets, await everything_but_volatile(world), "Redis")
    printed = "".join(capfd.readouterr())
    assert_absent(secrets, [repr(logs).encode(), caplog.text.encode(), printed.encode()], "logs")
    assert logs  # there was something to search

    # The search can find: the tails hold the pads, and the outbox the seeds that were rotated away.
    pads = [seed.encode().translate(_INNER) for seed in live]
    assert [player.inner_pad for player in players.values()] == pads
    revealed = server_seed(MASTER_KEY, 1, 1).encode()
    assert any(revealed in part for part in await everything_but_volatile(world))


async def test_given_a_server_seed_when_it_is_printed_then_it_does_not_show(world: World) -> None:
    seed = world.engine.master_keys.seed(INSTALLATION, 1, 1)

    shown = f"{seed!r} {seed} {vars(type(seed))}"

    assert_absent([seed.reveal()], [shown.encode()], "repr")
    assert_absent([MASTER_KEY.hex()], [repr(world.engine.master_keys).encode()], "repr")
