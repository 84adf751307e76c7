"""The `croupier` command: its subcommands, and what their outcome means for the exit code."""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError

from croupier_cli.exit_codes import CANNOT_RUN, DONE
from croupier_cli.output import error

# Each command is imported when it is used, so that `croupier token` does not wait for an HTTP server's modules.
app = App(
    name="croupier",
    help="A provably fair game engine. Exit codes: 0 done, 1 a check failed, 2 cannot run as asked, 3 too many errors.",
    version=lambda: version("croupier"),
    help_format="markdown",
    exit_on_error=False,
    print_error=False,
    result_action="return_value",
)
app.command("croupier_cli.up:up", name="up")
app.command("croupier_cli.parts:serve", name="serve")
app.command("croupier_cli.parts:sync", name="sync")
app.command("croupier_cli.parts:export", name="export")
app.command("croupier_cli.parts:migrate", name="migrate")
app.command("croupier_cli.verification:verify", name="verify")
app.command("croupier_cli.report.command:report", name="report")
app.command("croupier_cli.backups:backup", name="backup")
app.command("croupier_cli.backups:restore", name="restore")
app.command("croupier_cli.adoption:adopt", name="adopt")
app.command("croupier_cli.tokens:token", name="token")
app.command("croupier_cli.api:openapi", name="openapi")
app.command("croupier_cli.load.command:load", name="load")
app.command("croupier_cli.config:config", name="config")

economy = App(name="economy", help="Check, show, compare, simulate, push and roll back economies.")
economy.command("croupier_cli.economies:check", name="check")
economy.command("croupier_cli.economies:show", name="show", version_flags=())
economy.command("croupier_cli.economy_diff:diff", name="diff")
economy.command("croupier_cli.economies:push", name="push")
economy.command("croupier_cli.economy_history:history", name="history")
economy.command("croupier_cli.economy_history:rollback", name="rollback")
economy.command("croupier_cli.economy_simulation:simulate", name="simulate")

game = App(name="game", help="Open and close single games, while players play.")
game.command("croupier_cli.switches:enable", name="enable")
game.command("croupier_cli.switches:disable", name="disable")

maintenance = App(name="maintenance", help="Close and open all games at once; open bets are still settled.")
maintenance.command("croupier_cli.switches:maintenance_on", name="on")
maintenance.command("croupier_cli.switches:maintenance_off", name="off")

pool = App(name="pool", help="Add stock to the limited pools of the gacha.")
pool.command("croupier_cli.pools:add", name="add")

player = App(name="player", help="Look at a player.")
player.command("croupier_cli.players:show", name="show")

dead_letters = App(
    name="deadletters", help="Look at events that a projection could not take, and replay them."
)
dead_letters.command("croupier_cli.dead_letters:list_letters", name="list")
dead_letters.command("croupier_cli.dead_letters:replay_letters", name="replay")

_GROUPS = (economy, game, maintenance, pool, player, dead_letters)
for group in _GROUPS:
    app.command(group)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code. Whatever prevents a command is one line on standard error."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[-1:] in ([], ["--help"], ["-h"], *(list(group.name) for group in _GROUPS)):
        _import_all(app)
    try:
        return app(words) or DONE
    except CycloptsError as wrong_usage:
        error(" ".join(f"{wrong_usage} Try `croupier --help`.".split()))
        return CANNOT_RUN
    except BrokenPipeError:
        # The reader of the output has gone, as `head` does; what Python still holds of it must not be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        error("interrupted")
        return CANNOT_RUN
    except Exception as failure:
        from croupier_cli.failures import reason_of

        if (reason := reason_of(failure)) is None:
            raise
        error(reason)
        return CANNOT_RUN


def _import_all(group: App) -> None:
    """A list of commands shows the first line of each one's help, which is in its module."""
    for name in group:
        _import_all(group[name])


if __name__ == "__main__":
    sys.exit(main())
