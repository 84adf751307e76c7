"""The API's description as one page of HTML: no script, nothing loaded from anywhere."""

import base64
import hashlib
import json
from html import escape
from typing import Any, Final

from croupier_http.operations import placeholders
from croupier_http.security_headers import page_headers

Document = dict[str, Any]

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --link: light-dark(#0b57d0, #8ab4f8); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
a { color: var(--link); }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .75rem; border-radius: .4rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; display: block; overflow-x: auto; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); }
section { border-top: 1px solid var(--line); margin-top: 2rem; }
summary { cursor: pointer; }
.method { font-weight: 700; }
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Final = page_headers(
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Header lines of the page: a policy that forbids everything but its own style."""

_REF: Final = "#/components/schemas/"

_NO_BODY: Final[Document] = {"content": {}}
"""The reply of a handshake."""


def page(document: Document) -> str:
    """The page for an OpenAPI document."""
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    info, schemas = document["info"], document["components"]["schemas"]
    title = f"{info['title']} {info['version']}"
    index = "".join(
        f'<li><a href="#{operation["operationId"]}"><code>{method.upper()} {escape(path)}</code></a> '
        f"{escape(operation['summary'])}</li>"
        for method, path, operation in operations
    )
    description = "".join(f"<p>{_prose(part)}</p>" for part in info["description"].split("\n\n"))
    sections = "".join(_operation(document, *each) for each in operations)
    types = "".join(_type(name, schema) for name, schema in sorted(schemas.items()))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f'<body><h1>{escape(title)}</h1>{description}<p>For machines: <a href="/openapi.json">/openapi.json</a></p>'
        f'<h2>Operations</h2><ul>{index}<li><a href="#types">Types</a></li></ul>{sections}'
        f'<section id="types"><h2>Types</h2>{types}</section></body></html>\n'
    )


def _operation(document: Document, method: str, path: str, operation: Document) -> str:
    parts = [
        f'<section id="{operation["operationId"]}"><h2><span class="method">{method.upper()}</span> '
        f"<code>{escape(path)}</code></h2><p>{_prose(operation['summary'])}."
        f"{' Needs an access token.' if operation['security'] else ''}</p>"
    ]
    if operation.get("description"):
        parts.append(f"<p>{_prose(operation['description'])}</p>")
    parts.append(_parameters([_resolved(document, each) for each in operation["parameters"]]))
    body = operation.get("requestBody")
    if body:
        schema = _resolved(document, body["content"]["application/json"]["schema"])
        parts.append(f"<h3>Body</h3><p>{_prose(body['description'])}</p>{_fields(schema)}")
    parts.append(f"<h3>Example</h3><pre>{escape(_curl(method, path, operation))}</pre>")
    for media_type, content in operation["responses"].get("200", _NO_BODY)["content"].items():
        parts.append(f"<h3>Reply</h3><p><code>{media_type}</code>: {_schema(content['schema'])}</p>")
    return "".join(parts) + _errors(operation["responses"]) + "</section>"


def _parameters(parameters: list[Document]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{each['in']}"
        f"{', required' if each.get('required') else ''}</td>"
        f"<td>{_schema(each['schema'])}</td><td>{_prose(each.get('description', ''))}</td></tr>"
        for each in parameters
    )
    return f"<h3>Parameters</h3><table>{_head('name', 'in', 'type', 'meaning')}{rows}</table>"


def _fields(schema: Document) -> str:
    required = schema.get("required", [])
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{_schema(each)}</td>"
        f"<td>{'required' if name in required else _default(each)}</td>"
        f"<td>{_prose(each.get('description', ''))}</td></tr>"
        for name, each in schema.get("properties", {}).items()
    )
    return f"<table>{_head('member', 'type', 'default', 'meaning')}{rows}</table>" if rows else ""


def _errors(responses: Document) -> str:
    rows = "".join(
        f"<tr><td>{status}</td><td><code>{code}</code></td><td>{_prose(example['summary'])}"
        f"<details><summary>example</summary><pre>{escape(json.dumps(example['value'], indent=2))}</pre></details>"
        "</td></tr>"
        for status, response in responses.items()
        for code, example in response.get("content", {})
        .get("application/json", {})
        .get("examples", {})
        .items()
    )
    return f"<h3>Errors</h3><table>{_head('status', 'code', 'meaning')}{rows}</table>" if rows else ""


def _type(name: str, schema: Document) -> str:
    head = f'<h3 id="type-{name}"><code>{escape(name)}</code></h3>'
    return f"{head}<p>{_prose(schema.get('description', ''))}</p>{_fields(schema) or f'<p>{_schema(schema)}</p>'}"


def _head(*names: str) -> str:
    return "<tr>" + "".join(f"<th>{name}</th>" for name in names) + "</tr>"


def _default(schema: Document) -> str:
    return f"<code>{escape(json.dumps(schema['default']))}</code>" if "default" in schema else ""


def _schema(schema: Document) -> str:
    """A schema in a few words, with links to the types it names."""
    if "$ref" in schema:
        name = escape(schema["$ref"].removeprefix(_REF))
        return f'<a href="#type-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_schema(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"<code>{escape(json.dumps(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        if "prefixItems" in schema:
            return f"array of {', '.join(map(_schema, schema['prefixItems']))}"
        return f"array of {_schema(schema['items'])}" if "items" in schema else "array"
    bounds = [f"{sign} {schema[key]}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in schema]
    if "pattern" in schema:
        bounds.append(f"<code>{escape(schema['pattern'])}</code>")
    if isinstance(schema.get("additionalProperties"), dict):
        bounds.append(f"of {_schema(schema['additionalProperties'])}")
    return " ".join([str(schema.get("format", schema.get("type", "anything"))), *bounds])


def _curl(method: str, path: str, operation: Document) -> str:
    for name in placeholders(path):
        path = path.replace(f"{{{name}}}", f"${name.upper()}")
    lines = [f"curl http://127.0.0.1:8000{path}"]
    if operation["security"]:
        lines.append('-H "Authorization: Bearer $TOKEN"')
    body = operation.get("requestBody")
    if body:
        example = json.dumps(body["content"]["application/json"].get("example", {}))
        lines += ['-H "Content-Type: application/json"', '-H "Idempotency-Key: $KEY"', f"-d '{example}'"]
    return " \\\n  ".join(lines)


def _resolved(document: Document, schema: Document) -> Document:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    resolved: Any = document
    for step in reference.removeprefix("#/").split("/"):
        resolved = resolved[step]
    found: Document = resolved
    return found


def _prose(text: str) -> str:
    """Text with `code` in backquotes."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
