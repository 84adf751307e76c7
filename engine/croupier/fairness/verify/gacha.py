"""From rolls to the draws of a pull."""

from collections.abc import Iterator

from croupier.fairness.rolls import rolls
from croupier.gacha.draw import DrawState, draw
from croupier_schemas.fairness import DrawRecord, GachaReceipt


def problems(receipt: GachaReceipt, server_seed: str) -> Iterator[str]:
    """What is wrong with a pull, one sentence for each."""
    if len(receipt.draws) not in (1, 10):
        yield f"there are {len(receipt.draws)} draws, and a pull has 1 or 10"
    state = DrawState.before(receipt.state_before)
    u = rolls(server_seed, receipt.client_seed, receipt.nonce, 2 * len(receipt.draws))
    for index, recorded in enumerate(receipt.draws):
        computed = draw(receipt.table, state, recorded.stock_seen, u[2 * index], u[2 * index + 1])
        for name in DrawRecord.__struct_fields__:
            said, found = getattr(recorded, name), getattr(computed, name)
            if said != found:
                yield f"draw {index + 1}: {name} is {said!r}, and recomputed it is {found!r}"
