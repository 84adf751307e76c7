"""A load generator for WebSockets in a process of its own: that of `croupier load`, in a closed loop, in rounds.

It takes a `Load` and numbers of commands on standard input, as `bench.http_load` does, and answers likewise.
"""

import sys

import msgspec
import uvloop

from bench.http_load import local, run_rounds
from croupier_cli.load.pool import Pool
from croupier_cli.load.scenarios import Mix, Step
from croupier_cli.load.ws import WsFrames, WsLine
from croupier_client.codecs import CODECS


class Load(msgspec.Struct):
    """What to send: frames with `commands` commands `name` with `arguments`, on one socket per token in turn.

    `in_flight` frames wait for their replies at once, each on another socket.
    """

    port: int
    name: str
    arguments: dict[str, object]
    tokens: list[str]
    commands: int = 1
    protocol: str = "croupier.msgpack"
    in_flight: int = 32


async def main() -> None:
    load = msgspec.json.decode(sys.stdin.readline(), type=Load)
    step = Step(0, "command", "", load.name, load.arguments)
    codec = CODECS[load.protocol.removeprefix("croupier.")]
    frames = WsFrames(Mix((step,), (step,), (1.0,)), local(load.port), codec, load.commands, None)
    pool = Pool(
        local(load.port),
        len(load.tokens),
        lambda number, on_lost: WsLine(frames, load.tokens[number], on_lost),
    )
    await run_rounds(pool, step, load.in_flight, load.commands)


if __name__ == "__main__":
    uvloop.run(main())
