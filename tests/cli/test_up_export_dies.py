"""`croupier up` whose export ends by itself."""

from pathlib import Path

from tests.cli.support import DEADLINE_S, running_up
from tests.embedded.support import wait_until


def test_given_an_export_that_ends_when_up_then_that_is_said_once_and_players_play_on(
    directory: Path,
) -> None:
    with running_up(directory / "data", KAFKA_ENABLED="true") as up:
        wait_until(
            lambda: any("kafka" in line and "following" in line for line in up.said().splitlines()),
            DEADLINE_S,
        )
        export, broker = up.child("croupier_cli.main export"), up.child("tansu broker")
        export.kill()
        up.until_said("the export has ended unexpectedly")
        # What ends later is looked at later: by then the end of an essential part would have stopped all others.
        broker.kill()
        up.until_said("Kafka has ended unexpectedly")
        up.pull()
        assert up.said().count("the export has ended") == 1
        up.stop()
    assert "everything is stopped" not in up.said()
