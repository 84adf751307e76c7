"""The part of the Compose specification that docker-compose.yml uses, as types: what is not in it is an error."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct, field

from tests.ops.queries import ROOT, read_yaml

Duration = Annotated[str, Meta(pattern=r"^[0-9]+(s|m)$")]
Size = Annotated[str, Meta(pattern=r"^[0-9]+[kmg]$")]
Scalar = str | int | float


class _Strict(Struct, forbid_unknown_fields=True, kw_only=True):
    pass


class Healthcheck(_Strict):
    """How a container is asked whether it is well."""

    test: list[str] = field(default_factory=list)
    interval: Duration = ""
    timeout: Duration = ""
    retries: int = 0
    start_period: Duration = "0s"
    disable: bool = False


class Dependency(_Strict):
    """What a service waits for."""

    condition: Literal["service_started", "service_healthy", "service_completed_successfully"]


class Limits(_Strict):
    """Soft and hard limit of a resource."""

    soft: int
    hard: int


class Logging(_Strict):
    """Where a container's output goes."""

    driver: str
    options: dict[str, str]


class Service(_Strict):
    """A service."""

    image: str
    networks: list[str]
    cpus: float
    mem_limit: Size
    pids_limit: int
    user: str
    restart: Literal["no", "unless-stopped"]
    logging: Logging
    build: str = ""
    command: list[str] = field(default_factory=list)
    environment: dict[str, Scalar] = field(default_factory=dict)
    ports: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    tmpfs: list[str] = field(default_factory=list)
    profiles: list[str] = field(default_factory=list)
    depends_on: dict[str, Dependency] = field(default_factory=dict)
    healthcheck: Healthcheck | None = None
    ulimits: dict[str, Limits] = field(default_factory=dict)
    stop_grace_period: Duration = "10s"
    shm_size: Size = "64m"
    init: bool = False
    read_only: bool = False
    cap_drop: list[str] = field(default_factory=list)
    cap_add: list[str] = field(default_factory=list)
    security_opt: list[str] = field(default_factory=list)
    privileged: bool = False


class Network(_Strict):
    """A network; an internal one leads nowhere else."""

    internal: bool = False


class Compose(_Strict):
    """The file."""

    name: str
    services: dict[str, Service]
    networks: dict[str, Network | None]
    volumes: dict[str, None]


PATH: Final = ROOT / "docker-compose.yml"


def read_compose() -> Compose:
    """The file. Raises msgspec.ValidationError for anything that Compose would not take, or that is not known here."""
    document: dict[str, Any] = read_yaml(PATH)
    return msgspec.convert(
        {key: value for key, value in document.items() if not key.startswith("x-")}, Compose
    )
