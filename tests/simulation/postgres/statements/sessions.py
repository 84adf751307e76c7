"""Locks of sessions, and what a session can ask of the server itself."""

import datetime

from croupier_sync import healing, postgres
from tests.simulation.postgres.schema import Row
from tests.simulation.postgres.session import View
from tests.simulation.postgres.statements.registry import answers


@answers(postgres._TRY_LOCK)
def try_lock(view: View, lock_class: int, number: int) -> list[Row]:
    lock = lock_class, number
    others = [each for each in view.server.sessions() if each is not view.session]
    free = not any(lock in each.advisory for each in others)
    if free:
        view.session.advisory[lock] = view.session.advisory.get(lock, 0) + 1
    return [{"pg_try_advisory_lock": free}]


@answers(postgres._END_SILENT_OWNER)
def end_silent_owner(view: View, lock_class: int, number: int, silence_max_s: float) -> list[Row]:
    silent_since = view.clock() - datetime.timedelta(seconds=silence_max_s)
    ended: list[Row] = []
    for session in view.server.sessions():
        if (lock_class, number) not in session.advisory:
            continue
        if session.state != "active" and session.state_change < silent_since:
            view.server.terminate(session)
            ended.append({"pg_terminate_backend": True})
    return ended


@answers(postgres._DURABILITY)
def durability(view: View) -> list[Row]:
    settings = view.server.settings
    return [{"fsync": settings["fsync"], "commit": settings["synchronous_commit"]}]


@answers(healing._SIGN_OF_LIFE)
def sign_of_life(_view: View) -> list[Row]:
    return [{"?column?": 1}]
