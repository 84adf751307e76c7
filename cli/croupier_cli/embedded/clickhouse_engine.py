"""ClickHouse's engine in this process: one statement with its settings in, bytes of the asked format or an error out.

The engine is a library of which one process at a time may open a directory. This module is the only one that knows it.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import chdb

# A session of the library itself: what the package builds upon it brings pandas.
_core: Any = chdb._chdb

_INSERT = re.compile(rb"\s*(INSERT\s+INTO\s.*?)\s+FORMAT\s+(\w+)\s*?\n", re.IGNORECASE | re.DOTALL)
# What comes before the data of an INSERT is short; the search must not go through megabytes of something else.
_INSERT_HEAD_MAX = 65_536
_SETTING = re.compile(r"[a-z][a-z0-9_]*")
_CODE = re.compile(r"Code: (\d+)")
_DEFAULTS: Final[Mapping[str, str]] = {"max_execution_time": "60", "max_threads": "2", "async_insert": "0"}

CODE_BAD_ARGUMENTS: Final = 36
CODE_UNKNOWN: Final = 1002


class EngineError(Exception):
    """What the engine says against a statement. `code` is ClickHouse's number of the kind of error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Answer(NamedTuple):
    """The result in its format, and the rows that were read for it."""

    data: bytes
    rows_read: int


class Engine:
    """The engine, opened on a directory. Methods may be called from several threads at once."""

    def __init__(self, directory: Path, memory_max_bytes: int) -> None:
        """Raises EngineError where the directory cannot be opened."""
        configuration = directory / "engine.xml"
        configuration.write_text(_configuration(memory_max_bytes))
        self._address = f"{directory / 'data'}?config-file={configuration}"
        self._defaults = {**_DEFAULTS, "max_memory_usage": str(memory_max_bytes // 2)}
        self._kept_open = self._connect()

    def close(self) -> None:
        """Close the directory."""
        self._kept_open.close()

    def run(
        self,
        statement: bytes,
        *,
        database: str,
        settings: Mapping[str, str],
        parameters: Mapping[str, str],
        output_format: str,
    ) -> Answer:
        """Run one statement; the data of an INSERT follows it after a line break. Raises EngineError.

        Each runs in a session of its own, so that settings are those of this statement alone.
        """
        session = self._connect()
        data = None
        try:
            for preparation in (*_use(database), _set({**self._defaults, **settings})):
                self._query(session, preparation, "Null", {})
            if insert := _INSERT.match(statement, 0, _INSERT_HEAD_MAX):
                # From a file, because the engine takes a first byte of the data that looks like space for space.
                data = os.memfd_create("insert")
                with open(data, "wb", closefd=False) as file:
                    file.write(memoryview(statement)[insert.end() :])
                head, data_format = insert.group(1), insert.group(2)
                statement = b"%s FROM INFILE '/proc/self/fd/%d' FORMAT %s" % (head, data, data_format)
            answer = self._query(session, statement, output_format, parameters)
            return Answer(answer.bytes(), answer.rows_read())
        finally:
            if data is not None:
                os.close(data)
            session.close()

    def _connect(self) -> Any:
        try:
            return _core.connect(self._address)
        except RuntimeError as error:
            raise EngineError(CODE_UNKNOWN, str(error)) from None

    @staticmethod
    def _query(
        session: Any, statement: bytes | str, output_format: str, parameters: Mapping[str, str]
    ) -> Any:
        try:
            answer = session.query(statement, output_format, params=dict(parameters))
        except RuntimeError as error:
            code = _CODE.search(str(error))
            raise EngineError(int(code[1]) if code else CODE_UNKNOWN, str(error)) from None
        return answer


def _use(database: str) -> tuple[str, ...]:
    return (f"USE {_quoted(database, '`')}",) if database else ()


def _set(settings: Mapping[str, str]) -> str:
    for name in settings:
        if not _SETTING.fullmatch(name):
            raise EngineError(CODE_BAD_ARGUMENTS, f"not the name of a setting: {name[:64]!r}")
    return "SET " + ", ".join(f"{name} = {_quoted(value, chr(39))}" for name, value in settings.items())


def _quoted(text: str, quote: str) -> str:
    escaped = text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{quote}{escaped}{quote}"


def _configuration(memory_max_bytes: int) -> str:
    """Bounds for a machine that has other things to do."""
    return f"""<clickhouse>
  <max_server_memory_usage>{memory_max_bytes}</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <background_pool_size>2</background_pool_size>
  <background_schedule_pool_size>4</background_schedule_pool_size>
</clickhouse>
"""
