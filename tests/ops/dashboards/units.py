"""Values as Grafana writes them, by the name of the panel's unit."""

import math
from typing import Final

_SECONDS: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_SHORT: Final = ((1e9, " Bil"), (1e6, " Mil"), (1e3, " K"), (1.0, ""))
_PER_SECOND: Final = {"reqps": " req/s", "ops": " ops/s"}


def written(value: float, unit: str) -> str:
    """The value, to three digits, with its unit."""
    if value == 0:
        return {"s": "0 s", "percentunit": "0 %"}.get(unit, "0" + _PER_SECOND.get(unit, ""))
    if unit == "s":
        return _scaled(value, _SECONDS, " ")
    if unit == "percentunit":
        return f"{_digits(100 * value)} %"
    if unit == "none" and abs(value) < 1e-3:
        exponent = math.floor(math.log10(abs(value)))
        return f"{_digits(value / 10**exponent)}e{exponent}"
    if unit == "none":
        return _digits(value)
    return _scaled(value, _SHORT, "") + _PER_SECOND.get(unit, "")


def _scaled(value: float, scale: tuple[tuple[float, str], ...], space: str) -> str:
    size, name = next((each for each in scale if abs(value) >= each[0]), scale[-1])
    return f"{_digits(value / size)}{space}{name}"


def _digits(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
