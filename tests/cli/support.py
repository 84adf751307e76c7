"""Running `croupier` as its users do: as a process, with an environment, in a directory."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import psutil

from croupier.settings import Settings
from croupier_cli.data_directory import find_servers, read_secrets
from croupier_http.auth import make_token
from tests.embedded.support import is_gone, wait_until
from tests.forked import run_forked

DEADLINE_S = 60.0
_OURS = re.compile(
    r"CROUPIER_|CASINO_|KAFKA_|CLICKHOUSE_|(REDIS_URL|DATABASE_URL|JWT_SECRET_KEY|FORCE_COLOR|PROMETHEUS_MULTIPROC_DIR)$"
)

Environment = Mapping[str, str]


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without settings of Croupier, and with these instead.

    The analytics are off unless these say otherwise: most tests do not need them, and their start takes time.
    """
    inherited = {name: value for name, value in os.environ.items() if not _OURS.match(name)}
    return inherited | {"KAFKA_ENABLED": "false", "CLICKHOUSE_ENABLED": "false"} | variables


def command(*arguments: str) -> list[str]:
    """The command line of `croupier`."""
    return [sys.executable, "-m", "croupier_cli.main", *arguments]


def croupier(*arguments: str, env: Environment | None = None, cwd: Path | None = None) -> "Outcome":
    """Run a command to its end, in a process of its own that does not have to import everything first."""
    with tempfile.TemporaryDirectory(prefix="croupier-cli-") as name:
        printed, said = Path(name) / "stdout", Path(name) / "stderr"
        variables = dict(environment() if env is None else env)
        exit_code = run_forked(
            _croupier, arguments, variables, cwd or Path.cwd(), printed, said, timeout_s=DEADLINE_S
        )
        assert exit_code is not None
        return Outcome(exit_code, printed.read_text(), said.read_text())


def _croupier(
    arguments: tuple[str, ...], env: dict[str, str], cwd: Path, printed: Path, said: Path
) -> NoReturn:
    """What `python -m croupier_cli.main` does, in a process that is there already."""
    for descriptor, path, flags in (
        (0, Path(os.devnull), os.O_RDONLY),
        (1, printed, os.O_WRONLY | os.O_CREAT),
        (2, said, os.O_WRONLY | os.O_CREAT),
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = ["croupier", *arguments]
    from croupier_cli.main import main

    sys.exit(main())


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it said."""

    exit_code: int
    stdout: str
    stderr: str

    def require_refusal(self, *words: str) -> None:
        """Exit code 2, and all that was said is one line with these words."""
        assert self.exit_code == 2, self
        assert self.stdout == "", self
        line = self.stderr.removesuffix("\n")
        assert line.startswith("croupier: "), self
        assert "\n" not in line, self
        assert all(word in line for word in words), self


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether the port can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Up:
    """A `croupier up --json` that runs: `ready` is what it printed, `log` the file of its standard error."""

    def __init__(self, process: "subprocess.Popen[str]", ready: dict[str, Any], log: Path) -> None:
        self.process = process
        self.ready = ready
        self._log = log
        self.processes = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]

    @property
    def port(self) -> int:
        return int(self.ready["url"].rpartition(":")[2])

    @property
    def redis_url(self) -> str:
        """The URL of its own Redis with the password, which `ready` is without."""
        return find_servers(Settings(data_dir=Path(self.ready["data_dir"]))).redis_url

    def child(self, words: str) -> psutil.Process:
        """The process of it that has these words in its command line."""
        (found,) = (each for each in self.processes if words in " ".join(each.cmdline()))
        return found

    def said(self) -> str:
        """Its standard error until now."""
        return self._log.read_text()

    def until_said(self, words: str) -> None:
        wait_until(lambda: words in self.said(), DEADLINE_S)

    def ask(self, path: str, body: object = None, *, user: int | None = None) -> dict[str, Any]:
        """Send a request as `user`, by default with the development token; it must be answered with 200."""
        token = self.ready["token"]
        if user is not None:
            secret = read_secrets(Path(self.ready["data_dir"]))["JWT_SECRET_KEY"]
            token = make_token(secret, user, "STANDARD", "user", 3600)
        return ask(self.ready["url"] + path, token, body)

    def pull(self, user: int | None = None) -> dict[str, Any]:
        """A pull, which must succeed."""
        return self.ask("/api/games/gacha/pull", {"count": 1}, user=user)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop it as its user does; it must leave nothing behind."""
        if number == signal.SIGINT:
            os.killpg(self.process.pid, number)  # as the terminal does: to all of the session's foreground
        else:
            self.process.send_signal(number)
        self.require_end(0)

    def require_end(self, exit_code: int) -> None:
        """Wait for its end, and that of all its processes."""
        assert self.process.wait(DEADLINE_S) == exit_code, self.said()
        assert [each for each in self.processes if not is_gone(each)] == []
        assert is_free(self.port)


def run_curl(line: str) -> dict[str, Any]:
    """Run a curl command line as printed; without curl, send what it says."""
    if shutil.which("curl"):
        output = subprocess.run(line, shell=True, check=True, capture_output=True, text=True).stdout
        return dict(json.loads(output))
    words = iter(shlex.split(line)[1:])
    request = urllib.request.Request("http://invalid")
    for word in words:
        match word:
            case "-H":
                request.add_header(*next(words).split(": ", 1))
            case "-d":
                request.data = next(words).encode()
            case url if url.startswith("http"):
                request.full_url = url
    with urllib.request.urlopen(request) as reply:
        return dict(json.load(reply))


def ask(url: str, token: str, body: object = None) -> dict[str, Any]:
    """Send a request; fails the test unless that is answered with 200."""
    request = urllib.request.Request(
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as reply:
        answer: dict[str, Any] = json.load(reply)
        return answer


@contextmanager
def running_up(
    directory: Path, *, prefix: tuple[str, ...] = (), program: list[str] | None = None, **variables: str
) -> Iterator[Up]:
    """A `croupier up` with its data in `directory`, once it is ready; at the end whatever is left of it is killed.

    One HTTP worker: with several, the first one is ready before the last one.
    """
    log = directory.with_name(f"{directory.name}.stderr")
    variables = {
        "CROUPIER_DATA_DIR": str(directory),
        "CROUPIER_HTTP_PORT": "0",
        "CROUPIER_WORKERS": "1",
        **variables,
    }
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [*prefix, *(program or command()), "up", "--json"],
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
            text=True,
        ) as process,
    ):
        processes: list[psutil.Process] = []
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, f"croupier up did not become ready: {log.read_text()}"
            up = Up(process, json.loads(line), log)
            processes = up.processes
            yield up
        finally:
            if process.poll() is None:
                process.kill()
            for each in processes:
                with suppress(psutil.NoSuchProcess):
                    each.kill()


@contextmanager
def started(name: str, env: Environment) -> Iterator[None]:
    """A command that runs until it is asked to stop, and then ends with exit code 0 and without a result."""
    with subprocess.Popen(
        command(name), env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield
            process.send_signal(signal.SIGTERM)
            printed, said = process.communicate(timeout=DEADLINE_S)
            assert (process.returncode, printed) == (0, ""), said
        finally:
            if process.poll() is None:
                process.kill()


def processes_of_directory(directory: Path) -> list[str]:
    """Command lines of the processes that were started for the data directory."""
    found = []
    for process in psutil.process_iter():
        try:
            described = " ".join(process.cmdline()), process.environ().get("CROUPIER_DATA_DIR", "")
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(directory) in text for text in described):
            found.append(described[0])
    return found
