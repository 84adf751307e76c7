"""Users of the suite's Valkey with other rights than Croupier's own, gone after the test."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest

from tests.redis_server import administrator, url_with

MakeUser: TypeAlias = Callable[..., str]
_PASSWORD = "of-a-user-of-one-test"


@pytest.fixture
def make_user(redis_url: str) -> Iterator[MakeUser]:
    """A function that makes a user with these rules; the URL with which it logs in."""
    names: list[str] = []
    with administrator(redis_url) as client:

        def made(*rules: str) -> str:
            name = f"user-{len(names)}"
            names.append(name)
            client.execute_command("ACL SETUSER", name, "on", f">{_PASSWORD}", *rules)
            return url_with(f"{name}:{_PASSWORD}", redis_url)

        yield made
        client.acl_deluser(*names)
