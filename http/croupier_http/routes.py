"""The routes: which endpoint takes which method and path."""

import re
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import unquote

from croupier.errors import CroupierError
from croupier_http.cors import Cors
from croupier_http.endpoints import Endpoint, Places, Preflight, Unrouted
from croupier_http.metrics import UNKNOWN_OPERATION, OperationMetrics
from croupier_http.operations import operation_id, path_pattern, placeholders

_NO_PLACES: Final[Places] = {}


@dataclass(frozen=True)
class Route:
    """One operation. `operation` is its `operationId` and its label in metrics and logs."""

    operation: str
    endpoint: Endpoint
    metrics: OperationMetrics
    is_command: bool = False


class Routes:
    """Finds routes by method and path. Paths are compared as they were sent; GET answers HEAD as well.

    `metrics` are those of all operations, by name; `commands` are the routes of the commands by path, all of them POST;
    `unknown` is the route of every address that there is not.
    """

    def __init__(self, cors: Cors | None = None) -> None:
        self._cors = cors
        self._paths: dict[str, dict[str, Route]] = {}
        self._patterns: list[tuple[re.Pattern[str], str]] = []
        self.commands: dict[str, Route] = {}
        self.metrics = {UNKNOWN_OPERATION: OperationMetrics(UNKNOWN_OPERATION)}
        self.unknown = self._unrouted(Unrouted(partial(CroupierError, "NOT_FOUND")))

    def add(self, method: str, path: str, endpoint: Endpoint, *, is_command: bool = False) -> None:
        """Add a route; `path` may have `{names}`, each for one segment. Raises ValueError for one that exists."""
        operation = operation_id(path)
        if operation in self.metrics:
            raise ValueError(f"{method} {path}: there is an operation {operation} already")
        metrics = self.metrics[operation] = OperationMetrics(operation)
        route = Route(operation, endpoint, metrics, is_command)
        methods = self._paths[path] = {method: route}
        if is_command:
            self.commands[path] = route
        if method == "GET":
            methods["HEAD"] = methods["GET"]
        if self._cors is not None:
            methods["OPTIONS"] = self._unrouted(Preflight(self._cors, [*methods, "OPTIONS"]))
        if placeholders(path):
            self._patterns.append((path_pattern(path), path))

    def find(self, method: str, path: str) -> tuple[Route, Places]:
        """The route, or one whose endpoint says why there is none, and the values of its `{names}`."""
        methods, places = self._paths.get(path), _NO_PLACES
        if methods is None:
            methods, places = self._match(path)
            if methods is None:
                return self.unknown, places
        route = methods.get(method)
        if route is None:
            error = partial(CroupierError, "METHOD_NOT_ALLOWED", allow=sorted(methods))
            route = self._unrouted(Unrouted(error))
        return route, places

    def _match(self, path: str) -> tuple[dict[str, Route] | None, Places]:
        for pattern, template in self._patterns:
            if match := pattern.fullmatch(path):
                places = {name: unquote(value) for name, value in match.groupdict().items()}
                return self._paths[template], places
        return None, _NO_PLACES

    def _unrouted(self, endpoint: Endpoint) -> Route:
        return Route(UNKNOWN_OPERATION, endpoint, self.metrics[UNKNOWN_OPERATION])
