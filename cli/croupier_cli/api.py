"""`croupier openapi`."""

from croupier_cli.output import JsonFlag, indented_json, result, result_json
from croupier_http.openapi import document


def openapi(*, as_json: JsonFlag = False) -> None:
    """Print the OpenAPI description of the HTTP API, which a running server has at `/openapi.json`.

    It is JSON in any case; with `--json` on a single line.

    Example: `croupier openapi > openapi.json`
    """
    if as_json:
        result_json(document())
    else:
        result(indented_json(document()))
