"""`croupier up`: everything on one machine, from nothing."""

import os
from contextlib import ExitStack

from croupier.settings import Settings
from croupier_cli.exit_codes import CHECK_FAILED, DONE
from croupier_cli.interruption import Interrupted, Interruption
from croupier_cli.machine import Ended, Machine
from croupier_cli.output import JsonFlag, error, result, result_json
from croupier_cli.ready import ready, text
from croupier_cli.steps import Steps
from croupier_http import error_reports, logs


def up(*, as_json: JsonFlag = False) -> int:
    """Start everything: embedded servers, HTTP workers, sync daemon, analytics. Ctrl-C or SIGTERM stops it all.

    Prints the addresses, links to the play page and to the console that carry development tokens, and a `curl` of a
    pull. Data is kept under CROUPIER_DATA_DIR (`.croupier`), and the next start finds it again; only Kafka's topics
    begin empty. REDIS_URL, DATABASE_URL, KAFKA_BOOTSTRAP_SERVERS and CLICKHOUSE_URL, where set, replace the embedded
    servers. Kafka and ClickHouse are started where `croupier[analytics]` is installed; KAFKA_ENABLED=false and
    CLICKHOUSE_ENABLED=false leave them off.

    Example: `CROUPIER_HTTP_PORT=8080 croupier up`
    """
    settings = Settings.from_environment(os.environ)
    logs.configure(settings.log_level)
    error_reports.start(settings)
    with Interruption() as interruption, ExitStack() as running:
        machine = Machine(settings, running, interruption, Steps())
        try:
            machine.start()
            if as_json:
                result_json(ready(machine.settings))
            else:
                result(text(ready(machine.settings)))
            machine.wait()
        except Interrupted:
            return DONE
        except Ended as ended:
            error(str(ended))
            return CHECK_FAILED
        finally:
            # Next comes the unwinding of `running`, which stops everything in the reverse order of the start.
            interruption.hold()
