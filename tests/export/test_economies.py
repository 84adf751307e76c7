"""Rendering events of many economies, of which a few are kept at hand."""

import json

import msgspec

from croupier.economy import canonical, from_canonical, version
from croupier_schemas import keys
from croupier_schemas.events import Event
from croupier_sync.export import messages
from croupier_sync.export.messages import Renderer
from tests.export.support import Exported, repeated

ECONOMIES = messages._ECONOMIES_MAX + 6


async def pulls_under(exported: Exported, log: list[Event], count: int) -> list[Event]:
    """A pull each under so many economies, which Postgres has."""
    await exported.append(log)
    base = from_canonical(
        await exported.connection.fetchval("SELECT value FROM mirror WHERE key LIKE '%economy%' LIMIT 1")
    )
    pull = next(event for event in log if event.header.type == "gacha.pulled")
    pulls = []
    for number, place in enumerate(repeated(log, count)):
        crash = msgspec.structs.replace(base.crash, max_multiplier=100 + number)
        economy = msgspec.structs.replace(base, crash=crash)
        await exported.connection.execute(
            "INSERT INTO mirror (partition, key, field, value, epoch, seq) VALUES (0, $1, '', $2, 1, 0)"
            " ON CONFLICT DO NOTHING",
            keys.economy(0, version(economy)),
            canonical(economy),
        )
        header = msgspec.structs.replace(pull.header, economy=bytes.fromhex(version(economy)))
        pulls.append(msgspec.structs.replace(pull, id=place.id, header=header))
    return pulls


async def incomplete(renderer: Renderer, exported: Exported, events: list[Event]) -> list[str]:
    await renderer.prepare(exported.connection, events)
    return [text for message in renderer.render(events) if (text := json.loads(message.value)["incomplete"])]


async def test_given_more_economies_in_a_batch_than_are_kept_when_rendered_then_every_message_is_complete(
    exported: Exported, log: list[Event]
) -> None:
    pulls = await pulls_under(exported, log, ECONOMIES)
    renderer = Renderer("buy_package")
    assert await incomplete(renderer, exported, pulls + pulls) == []
    assert await incomplete(renderer, exported, pulls[:1]) == []
    assert len(renderer._economies) <= messages._ECONOMIES_MAX


async def test_given_an_old_economy_in_force_again_when_a_new_one_comes_then_both_are_at_hand(
    exported: Exported, log: list[Event]
) -> None:
    pulls = await pulls_under(exported, log, messages._ECONOMIES_MAX + 1)
    renderer = Renderer("buy_package")
    for pull in pulls[:-1]:
        assert await incomplete(renderer, exported, [pull]) == []
    assert await incomplete(renderer, exported, [pulls[0], pulls[-1], pulls[0]]) == []
