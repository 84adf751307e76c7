"""The command `fairness.rotate`."""

from typing import NamedTuple

from croupier.command import Command, Context, Done, NoTerms, receipt
from croupier.fairness.nonce import next_nonce
from croupier.gacha.table import CompiledEconomy
from croupier_schemas.fairness import FairnessRotate, FairnessRotateReply, RevealedSeed
from croupier_schemas.records import FAIRNESS_ROTATED, PLAYER


class RotateArguments(NamedTuple):
    """The arguments that `fairness/rotate.lua` declares itself."""

    revealed: str
    next: bytes
    client_seed: str


def _bind(context: Context, request: FairnessRotate, _terms: NoTerms) -> RotateArguments:
    seed, client_seed = context.seed, request.client_seed or ""
    if seed is None:  # the script says which generation it is to be
        return RotateArguments("", b"", client_seed)
    following = context.master_keys.seed(context.installation, context.uid, seed.generation + 1)
    return RotateArguments(seed.reveal(), following.packed(), client_seed)


def _render(_economy: CompiledEconomy, _terms: NoTerms, done: Done) -> FairnessRotateReply:
    assert done.event is not None
    rotated, player = FAIRNESS_ROTATED.unpack(done.result), PLAYER.unpack(done.images[0])
    return FairnessRotateReply(
        revealed=RevealedSeed(
            server_seed=rotated.revealed_seed.decode(),
            commitment=rotated.revealed_commitment.hex(),
            client_seed=text(rotated.revealed_client_seed, rotated.revealed_client_length),
            generation=rotated.revealed_generation,
            last_nonce=player.nonce,
        ),
        commitment=player.commitment.hex(),
        client_seed=text(player.client_seed, player.client_seed_length),
        next_nonce=next_nonce(player.nonce, done.event.epoch),
        generation=player.seed_generation,
        receipt=receipt(done, player.nonce, player.commitment),
    )


def text(padded: bytes, length: int) -> str:
    """A client seed as the records hold it."""
    return padded[:length].decode()


ROTATE = Command(
    name="fairness.rotate",
    path="/api/fairness/rotate",
    summary="Reveal the server seed and commit to a new one",
    request=FairnessRotate,
    reply=FairnessRotateReply,
    arguments=RotateArguments,
    terms_type=NoTerms,
    terms=lambda _context, _request: NoTerms(),
    bind=_bind,
    render=_render,
    strict=lambda _settings: True,
    errors=("PLAYER_BANNED", "RATE_LIMITED", "CRASH_BET_ACTIVE"),
    example=FairnessRotate(client_seed="my-lucky-seed"),
)
