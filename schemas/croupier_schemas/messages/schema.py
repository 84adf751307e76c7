"""The JSON Schema of the messages; `python -m croupier_schemas.messages.schema` writes it to its file."""

import json
from pathlib import Path
from typing import Any, Final

import msgspec

from croupier_schemas.messages import SCHEMA_VERSION, EventMessage

VERSIONS: Final = (1,)
"""The versions whose files are kept."""


def json_schema() -> dict[str, Any]:
    """The schema of the messages of the present version."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Croupier event message, version {SCHEMA_VERSION}",
        **msgspec.json.schema(EventMessage),
    }


if __name__ == "__main__":
    file = Path(__file__).with_name(f"event_v{SCHEMA_VERSION}.json")
    file.write_text(json.dumps(json_schema(), indent=2) + "\n", "utf-8")
