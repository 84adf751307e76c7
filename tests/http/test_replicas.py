"""Redis with replicas: `/ready` says where a failover could lose more than is agreed, and where writes are refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from croupier_cli.embedded import Valkey
from tests.http.support import PULL, assert_is_error, running, settings_for, until
from tests.redis_server import administrator
from tests.sync.failover import started_master, started_replica


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Valkey]:
    with started_master(tmp_path / "master", "--repl-diskless-sync-delay", "0") as master:
        yield master


async def test_given_a_replica_when_writes_do_not_wait_for_it_then_ready_is_degraded_and_says_what_to_set(
    master: Valkey, tmp_path: Path
) -> None:
    with started_replica(tmp_path / "replica", master), administrator(master.url) as client:

        async def connected() -> bool:
            return bool(client.info("replication")["connected_slaves"])

        await until(connected, "the replica")
        async with running(settings_for(master.url)) as worker:
            ready = (await worker.get("/ready")).json
            assert (ready["status"], ready["failed"]) == ("degraded", ["replicas"])
            assert "min-replicas-to-write" in ready["checks"]["replicas"]
            assert (await worker.post(PULL)).status == 200

            client.config_set("min-replicas-to-write", 1)

            async def is_ready() -> bool:
                return bool((await worker.get("/ready")).json.get("status") == "ready")

            await until(is_ready, "the replica to be in step")
            assert (await worker.post(PULL)).status == 200


async def test_given_no_replica_in_step_when_one_is_required_then_neither_ready_nor_a_pull_is_answered_with_200(
    master: Valkey,
) -> None:
    async with running(settings_for(master.url)) as worker:
        assert (await worker.get("/ready")).json["status"] == "ready"
        with administrator(master.url) as client:
            client.config_set("min-replicas-to-write", 1)
        assert_is_error(await worker.post(PULL), 503, "NOT_READY")
        refused = (await worker.get("/ready")).json
        assert refused["failed"] == ["redis"]
        assert "no replica is in step" in refused["checks"]["redis"]
