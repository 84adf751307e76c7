"""docker-compose.yml: sound, hardened, without secrets, with settings that there are. It is read, not run."""

import re
from typing import Final

import pytest

from croupier.settings import Settings
from croupier_cli.main import app
from tests.ops.compose import PATH, Service, read_compose
from tests.ops.container import new_secrets
from tests.ops.queries import PROMETHEUS, ROOT, read_yaml

COMPOSE: Final = read_compose()
OURS: Final = {name: service for name, service in COMPOSE.services.items() if service.build}
ONE_SHOT: Final = frozenset({"migrate", "valkey-cluster"})

THIRD_PARTY: Final = {
    "valkey/valkey": {"REDISCLI_AUTH", "REDIS_PASSWORD", "REDIS_ADMIN_PASSWORD"},
    "postgres": {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"},
    "clickhouse/clickhouse-server": {"CLICKHOUSE_DB", "CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD"},
    "axllent/mailpit": {"MP_MAX_MESSAGES"},
}
"""Variables that images of others know. Kafka and Grafana take any setting under a prefix."""
PREFIXES: Final = {"apache/kafka": r"KAFKA_[A-Z_]+|CLUSTER_ID", "grafana/grafana": r"GF_[A-Z]+_[A-Z_]+"}

each_service = pytest.mark.parametrize(
    ("name", "service"), COMPOSE.services.items(), ids=list(COMPOSE.services)
)
each_of_ours = pytest.mark.parametrize(("name", "service"), OURS.items(), ids=list(OURS))


def references(text: str) -> set[str]:
    """The variables that Compose puts into a text, which has to say that there must be one."""
    named = re.findall(r"(?<!\$)\$\{(\w+)([^}]*)\}", text)
    assert all(rest.startswith(":?") for _, rest in named), named
    return {name for name, _ in named}


@each_of_ours
def test_given_a_part_of_croupier_then_its_variables_are_settings_and_its_command_exists(
    name: str, service: Service
) -> None:
    assert set(service.environment) <= {*Settings.__struct_encode_fields__}
    assert service.command == [name]
    assert name in app
    secrets = new_secrets()
    Settings.from_environment(
        {
            variable: re.sub(r"\$\{(\w+):\?[^}]+\}", lambda secret: secrets[secret[1]], str(value))
            for variable, value in service.environment.items()
        }
    )


@each_service
def test_given_an_image_of_others_then_its_variables_are_known(name: str, service: Service) -> None:
    if name in OURS:
        return
    image = service.image.rpartition(":")[0]
    pattern = PREFIXES.get(image, r"(?!)")
    unknown = set(service.environment) - THIRD_PARTY.get(image, set())
    assert all(re.fullmatch(pattern, variable) for variable in unknown), unknown


@each_service
def test_given_a_service_then_its_image_is_pinned_to_a_patch_release(name: str, service: Service) -> None:
    _, _, tag = service.image.rpartition(":")
    assert re.fullmatch(r"v?\d+\.\d+(\.\d+)*", tag)
    assert tag.count(".") >= (1 if service.image.startswith("postgres:") else 2)


@each_service
def test_given_a_service_then_it_is_no_root_and_can_change_nothing_but_its_data(
    name: str, service: Service
) -> None:
    assert re.fullmatch(r"[1-9]\d*(:\d+)?", service.user)
    assert service.read_only
    assert service.init
    assert (service.cap_drop, service.cap_add) == (["ALL"], [])
    assert service.security_opt == ["no-new-privileges:true"]
    assert not service.privileged
    assert 0 < service.cpus <= 4
    assert 0 < service.pids_limit <= 1024
    for volume in service.volumes:
        source, _, mode = volume.split(":", 1)[0], None, volume.rpartition(":")[2]
        assert source in COMPOSE.volumes or (source.startswith("./ops/") and mode == "ro"), volume
        assert "docker.sock" not in volume
    for mount in service.tmpfs:
        assert re.search(r"size=\d+m$", mount), "memory is the machine's: every tmpfs has a limit"


@each_service
def test_given_a_service_then_somebody_asks_whether_it_is_well(name: str, service: Service) -> None:
    if name in ONE_SHOT:
        assert service.restart == "no"
        return
    assert service.restart == "unless-stopped"
    assert service.healthcheck is not None
    assert service.healthcheck.test[0] == "CMD", "no shell"
    assert service.healthcheck.retries >= 3
    assert service.healthcheck.interval
    assert service.healthcheck.timeout


@each_service
def test_given_a_service_then_only_this_machine_reaches_its_ports_and_few_networks_lead_out(
    name: str, service: Service
) -> None:
    for port in service.ports:
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)
    assert set(service.networks) <= COMPOSE.networks.keys()
    open_networks = {
        each for each in service.networks if not (net := COMPOSE.networks[each]) or not net.internal
    }
    assert bool(open_networks) == bool(service.ports), "a way out for those only that publish a port"


@each_service
def test_given_what_a_service_waits_for_then_it_is_there_and_can_be_waited_for(
    name: str, service: Service
) -> None:
    for other, dependency in service.depends_on.items():
        awaited = COMPOSE.services[other]
        assert set(awaited.profiles) <= set(service.profiles), "what is not started is waited for in vain"
        completes = dependency.condition == "service_completed_successfully"
        assert completes == (other in ONE_SHOT)
        assert completes or awaited.healthcheck is not None


def test_given_the_parts_then_each_shares_a_network_with_each_server_that_it_names() -> None:
    for name, service in OURS.items():
        for value in service.environment.values():
            for host in re.findall(r"(?:@|^)([a-z]+)(?=[:/])", re.sub(r"\$\{[^}]*\}", "", str(value))):
                if host in COMPOSE.services:
                    shared = set(service.networks) & set(COMPOSE.services[host].networks)
                    assert shared, (name, host)
    config = read_yaml(PROMETHEUS / "prometheus.yml")["scrape_configs"][0]["dns_sd_configs"][0]
    assert config["port"] == OURS["serve"].environment["CROUPIER_HTTP_PORT"]
    (server,) = config["names"]
    shared = set(COMPOSE.services[server].networks) & set(COMPOSE.services["prometheus"].networks)
    assert len(shared) == 1, (
        "in two networks its name has two addresses, and each server would be scraped twice"
    )


def test_given_the_file_then_its_secrets_come_from_the_example_where_each_is_empty() -> None:
    text = PATH.read_text("utf-8")
    example = dict(re.findall(r"^([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE))

    assert references(text) == set(example)
    assert set(example.values()) == {""}
    for service in COMPOSE.services.values():
        for variable, value in service.environment.items():
            if re.search("PASSWORD|SECRET|KEYS|AUTH$", variable):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", str(value)), variable
            assert not re.search(r"://[^/$]*:[^$/]+@", str(value)), variable
    assert "${" not in re.sub(r"\$\{\w+:\?[^}]+\}", "", text)


def test_given_the_cluster_then_it_has_six_nodes_that_start_with_its_profile_only() -> None:
    nodes = [name for name in COMPOSE.services if re.fullmatch(r"valkey-\d", name)]

    assert len(nodes) == 6
    for name in (*nodes, "valkey-cluster"):
        assert COMPOSE.services[name].profiles == ["cluster"]
        assert COMPOSE.services[name].networks == ["cluster"]
