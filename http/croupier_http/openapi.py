"""The OpenAPI 3.1 description, made from the declarations of commands, queries and pages."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

import msgspec

from croupier.action import Action
from croupier.batch import Batch
from croupier.command import IDEMPOTENCY_KEY_PATTERN, Command
from croupier.query import Query
from croupier.registry import BATCHES, COMMANDS, QUERIES
from croupier_http.aliases import aliases
from croupier_http.console.operations import OPERATIONS
from croupier_http.error_examples import example
from croupier_http.operations import PAGES, PageRoute, operation_id, placeholders
from croupier_http.replies import JSON
from croupier_http.ws.routes import SOCKETS, SocketRoute
from croupier_schemas.errors import ERRORS, ErrorKind

Document = dict[str, Any]

_DESCRIPTION: Final = """\
The game engine of a free-to-play casino club: virtual tokens only, provably fair, every command atomic.

Members of requests are named in snake_case; their camelCase forms are accepted too. Times named `*_at` are RFC 3339 in
UTC, those named `*_ms` are Unix times in milliseconds. Repeat requests that failed with 429 or 503 after `Retry-After`,
with jitter and with the same `Idempotency-Key`; do not repeat those with other 4xx statuses.

A server in deterministic mode (`/health` says so) takes a header `X-Croupier-Clock-Ms` with commands and queries: the
time that it is from then on, in Unix ms, or 0 for the server's own clock. Other servers refuse it with 422."""

_QUERY_ERRORS: Final = ("UNAUTHENTICATED", "RATE_LIMITED", "INTERNAL", "NOT_READY")
_COMMAND_ERRORS: Final = (
    "MALFORMED_REQUEST", "UNAUTHENTICATED", "REQUEST_TIMEOUT", "PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE",
    "VALIDATION_ERROR", "IDEMPOTENCY_KEY_REUSED", "INTERNAL", "NOT_READY", "OVERLOADED", "EXPIRED",
    "OUTCOME_UNKNOWN", "DURABILITY_TIMEOUT", "NOT_APPLIED", "RATE_LIMITED",
)  # fmt: skip

# What becomes of an item stands in the reply, whatever it is.
_BATCH_ERRORS: Final = (
    "MALFORMED_REQUEST", "UNAUTHENTICATED", "FORBIDDEN", "REQUEST_TIMEOUT", "PAYLOAD_TOO_LARGE",
    "UNSUPPORTED_MEDIA_TYPE", "VALIDATION_ERROR", "INTERNAL",
)  # fmt: skip

_ACTION_ERRORS: Final = (
    "MALFORMED_REQUEST", "UNAUTHENTICATED", "REQUEST_TIMEOUT", "PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE",
    "VALIDATION_ERROR", "INTERNAL", "NOT_READY",
)  # fmt: skip
_SOCKET_ERRORS: Final = (
    "MALFORMED_REQUEST", "UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "UPGRADE_REQUIRED", "RATE_LIMITED",
    "INTERNAL", "NOT_READY",
)  # fmt: skip

_ERROR_SCHEMA: Final[Document] = {
    "title": "Error",
    "type": "object",
    "description": "What every error answers. Some codes have further members; see the examples.",
    "properties": {
        "detail": {"type": "string", "description": "Equal to `code`"},
        "code": {"type": "string", "pattern": "^[A-Z][A-Z0-9_]*$", "description": "What went wrong"},
        "message": {"type": "string", "description": "For people; may change"},
        "request_id": {
            "type": "string",
            "description": "As in the header `X-Request-Id` and in the server's log",
        },
    },
    "required": ["detail", "code", "message", "request_id"],
    "additionalProperties": True,
}


_PARAMETERS: Final[Document] = {
    "RequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "An id of the client's for this request; the reply repeats it, else the server makes one",
        "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key with the same request gives the first reply again, to the last byte; "
        "with another request it is refused. Keys are per player.",
        "schema": {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY_PATTERN}$"},
        "example": "7c1d0b5e-pull-1",
    },
}

_HEADERS: Final[Document] = {
    "RequestId": {"description": "Id of the request", "schema": {"type": "string"}},
    "OpId": {
        "description": "Id of this attempt at a command",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
    "Replayed": {
        "description": "`true` where this is the first reply again, and absent otherwise",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "RetryAfter": {"description": "Seconds to wait at least", "schema": {"type": "integer", "minimum": 1}},
    "RateLimit": {
        "description": "With `RATE_LIMITED`: the window that is full, and in how many seconds it has room again",
        "schema": {"type": "string", "examples": ['"minute";r=0;t=12']},
    },
    "RateLimitPolicy": {
        "description": "With `RATE_LIMITED`: how many calls each window takes (IETF ratelimit-headers, draft 11)",
        "schema": {"type": "string", "examples": ['"second";q=5;w=1, "minute";q=60;w=60']},
    },
    "RateLimitSim": {
        "description": "`blocked` where rate limits are in the mode `shadow` and would have refused this call",
        "schema": {"type": "string", "enum": ["blocked"]},
    },
    "Authenticate": {"description": "The scheme that is wanted", "schema": {"type": "string"}},
}


def document() -> Document:
    """The whole description, in JSON's types."""
    queries = (*QUERIES, OPERATIONS)
    structs: list[Any] = [struct for command in COMMANDS for struct in (command.request, command.reply)]
    structs += [struct for batch in BATCHES for struct in (batch.request, batch.reply)]
    structs += [struct for query in queries for struct in (query.params, query.reply)]
    found, schemas = msgspec.json.schema_components(
        structs, schema_hook=_any_value, ref_template="#/components/schemas/{name}"
    )
    schemas = _portable(schemas)
    of_type = dict(zip(structs, _portable(found), strict=True))
    parameters = {query.name: schemas.get(query.params.__name__, {}) for query in queries}
    for query in queries:  # several may have the same ones
        schemas.pop(query.params.__name__, None)
    paths: dict[str, Document] = {}
    for command in COMMANDS:
        paths.setdefault(command.path, {})["post"] = _command(command)
    for batch in BATCHES:
        paths.setdefault(batch.path, {})["post"] = _batch(batch)
    for query in queries:
        paths.setdefault(query.path, {})["get"] = _query(query, parameters[query.name], of_type[query.reply])
    for socket in SOCKETS:
        paths.setdefault(socket.path, {})["get"] = _socket(socket)
    for page in PAGES:
        paths.setdefault(page.path, {})["get"] = _page(page)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Croupier",
            "version": version("croupier"),
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Error": _ERROR_SCHEMA},
            "parameters": _PARAMETERS,
            "headers": _HEADERS,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token, as `croupier token --user 42` prints one",
                }
            },
        },
    }


def _command(command: Command[Any, Any, Any]) -> Document:
    names = aliases(command.request)
    also = ", ".join(f"`{alias}` for `{name}`" for alias, name in names.items())
    content: Document = {"schema": _ref("schemas", command.request.__name__)}
    if command.example is not None:
        content["example"] = msgspec.to_builtins(command.example)
    admin = ("FORBIDDEN",) if command.access == "admin" else ()
    required = any(field.required for field in msgspec.structs.fields(command.request))
    headers = {"Op-Id": "OpId", "Idempotent-Replayed": "Replayed"}
    if command.scope:
        headers["X-RateLimit-Sim"] = "RateLimitSim"
    description = [command.description, f"Also accepted: {also}." if also else ""]
    return {
        "operationId": operation_id(command.path),
        "tags": [command.game],
        "summary": command.summary,
        "description": "\n\n".join(filter(None, description)),
        "security": [{"bearer": []}],
        "parameters": [_ref("parameters", "IdempotencyKey"), _ref("parameters", "RequestId")],
        "requestBody": {
            "description": "" if required else "An empty body counts as `{}`.",
            "required": required,
            "content": {"application/json": content},
        },
        "responses": {
            "200": _reply(_ref("schemas", command.reply.__name__), headers),
            **_errors((*_COMMAND_ERRORS, *command.errors, *admin)),
        },
    }


def _batch(batch: Batch[Any, Any]) -> Document:
    content: Document = {"schema": _ref("schemas", batch.request.__name__)}
    if batch.example is not None:
        content["example"] = msgspec.to_builtins(batch.example)
    size = f"At most {batch.items_max} items, and {batch.body_bytes_max // 1024} KiB."
    return {
        "operationId": operation_id(batch.path),
        "tags": [batch.command.game],
        "summary": batch.summary,
        "description": batch.description,
        "security": [{"bearer": []}],
        "parameters": [_ref("parameters", "IdempotencyKey"), _ref("parameters", "RequestId")],
        "requestBody": {"description": size, "required": True, "content": {"application/json": content}},
        "responses": {"200": _reply(_ref("schemas", batch.reply.__name__), {}), **_errors(_BATCH_ERRORS)},
    }


def _action(action: Action[Any, Any]) -> Document:
    content: Document = {"schema": _ref("schemas", action.request.__name__)}
    if action.example is not None:
        content["example"] = msgspec.to_builtins(action.example)
    places = placeholders(action.path)
    admin = ("FORBIDDEN",) if action.access == "admin" else ()
    described = {
        "operationId": operation_id(action.path),
        "tags": [action.name.partition(".")[0]],
        "summary": action.summary,
        "description": action.description,
        "security": [{"bearer": []}],
        "parameters": [*map(_place, places), _ref("parameters", "RequestId")],
        "responses": {
            "200": _reply(_ref("schemas", action.reply.__name__), {}),
            **_errors((*_ACTION_ERRORS, *admin, *action.errors)),
        },
    }
    if places:  # then nothing is left to be said in a body
        return described
    required = any(field.required for field in msgspec.structs.fields(action.request))
    return described | {"requestBody": {"required": required, "content": {"application/json": content}}}


def _place(name: str) -> Document:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _socket(socket: SocketRoute) -> Document:
    """OpenAPI has no words for WebSockets but those for the handshake."""
    credentials = [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": f"{what}, in place of the header `Authorization`",
            "schema": {"type": "string"},
        }
        for name, what in (("ticket", "A ticket, which browsers should use"), ("token", "An access token"))
    ]
    return {
        "operationId": operation_id(socket.path),
        "tags": ["ws"],
        "summary": f"WebSocket: {socket.summary[0].lower()}{socket.summary[1:]}",
        "description": f"{socket.description} Subprotocols: `croupier.json`, `croupier.msgpack`.",
        "security": [{"bearer": []}],
        "parameters": [
            *map(_place, placeholders(socket.path)), *credentials, _ref("parameters", "RequestId")
        ],
        "responses": {
            "101": {"description": "The WebSocket is open", "headers": _headers({})},
            **_errors(_SOCKET_ERRORS),
        },
    }  # fmt: skip


def _query(query: Query[Any, Any], params: Document, reply: Document) -> Document:
    required, in_path = params.get("required", []), placeholders(query.path)
    parameters = [
        {
            "name": name,
            "in": "path" if name in in_path else "query",
            "required": name in in_path or name in required,
            **({"description": schema["description"]} if "description" in schema else {}),
            "schema": schema,
        }
        for name, schema in params.get("properties", {}).items()
    ]
    own = ("VALIDATION_ERROR",) if parameters else ()
    admin = ("FORBIDDEN",) if query.access == "admin" else ()
    return {
        "operationId": operation_id(query.path),
        "tags": [query.name.partition(".")[0]],
        "summary": query.summary,
        "security": [{"bearer": []}],
        "parameters": [*parameters, _ref("parameters", "RequestId")],
        "responses": {
            "200": _reply(reply, {}),
            **_errors((*_QUERY_ERRORS, *own, *admin, *query.errors)),
        },
    }


def _page(page: PageRoute) -> Document:
    schema_type = "object" if page.content_type == JSON else "string"
    content: Document = {page.content_type: {"schema": {"type": schema_type}}}
    return {
        "operationId": operation_id(page.path),
        "tags": ["server"],
        "summary": page.summary,
        "security": [],
        "parameters": [_ref("parameters", "RequestId")],
        "responses": {
            "200": {"description": "OK", "headers": _headers({}), "content": content},
            **_errors(page.errors),
        },
    }


def _reply(schema: Document, headers: dict[str, str]) -> Document:
    return {
        "description": "Done",
        "headers": _headers(headers),
        "content": {"application/json": {"schema": schema}},
    }


def _errors(codes: Iterable[str]) -> dict[str, Document]:
    """Responses by status, each with an example per code."""
    by_status: dict[int, list[ErrorKind]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(ERRORS[code].status, []).append(ERRORS[code])
    return {str(status): _error(kinds) for status, kinds in sorted(by_status.items())}


def _error(kinds: list[ErrorKind]) -> Document:
    status = kinds[0].status
    headers = {"Retry-After": "RetryAfter"} if status in {429, 503} else {}
    if any(kind.code == "RATE_LIMITED" for kind in kinds):
        headers |= {"RateLimit": "RateLimit", "RateLimit-Policy": "RateLimitPolicy"}
    if status == 401:
        headers["WWW-Authenticate"] = "Authenticate"
    return {
        "description": " or ".join(f"`{kind.code}`" for kind in kinds),
        "headers": _headers(headers),
        "content": {
            "application/json": {
                "schema": _ref("schemas", "Error"),
                "examples": {kind.code: {"summary": kind.message, "value": example(kind)} for kind in kinds},
            }
        },
    }


def _headers(names: dict[str, str]) -> Document:
    return {
        name: _ref("headers", component) for name, component in {"X-Request-Id": "RequestId", **names}.items()
    }


def _any_value(type_: type) -> Document:
    """The schema of `object`: any value of JSON."""
    if type_ is object:
        return {"description": "Any value"}
    raise NotImplementedError(f"{type_} has no schema")


def _portable(schema: Any) -> Any:
    """A schema whose patterns mean the same in JavaScript, where the end of the text is `$` alone.

    Structs that a tag tells apart are `oneOf`, which generators of clients understand better than `anyOf`.
    """
    if isinstance(schema, dict):
        if "discriminator" in schema:
            schema = {"oneOf" if key == "anyOf" else key: value for key, value in schema.items()}
        return {
            key: value.replace(r"\Z", "$")
            if key == "pattern" and isinstance(value, str)
            else _portable(value)
            for key, value in schema.items()
        }
    return [_portable(each) for each in schema] if isinstance(schema, list | tuple) else schema


def _ref(kind: str, name: str) -> Document:
    return {"$ref": f"#/components/{kind}/{name}"}
