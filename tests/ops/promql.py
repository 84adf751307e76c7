"""Which metrics and labels a query of Prometheus names."""

import re
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(r'"(?:\\.|[^"\\])*"|[a-zA-Z_:][\w:]*|\[[^\]]*\]|[(){},]|=~|!~|!=|\S')
_NAME: Final = re.compile(r"[a-zA-Z_:][\w:]*")
_LABEL_LISTS: Final = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS: Final = frozenset({"and", "or", "unless", "offset", "bool", "inf", "nan"})


class Named(NamedTuple):
    """What a query names. `selected` has, per metric, the labels that its selectors ask for; `grouped` the labels that
    aggregations and joins name."""

    selected: dict[str, set[str]]
    grouped: set[str]


def named(query: str) -> Named:
    """The names in a query. Duration literals such as `offset 5m` start with a digit, and are no names."""
    tokens = _TOKEN.findall(re.sub(r"\b\d[\w.]*", "0", query))
    selected: dict[str, set[str]] = {}
    grouped: set[str] = set()
    at = 0
    while at < len(tokens):
        token, following = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else ""
        at += 1
        if not _NAME.fullmatch(token):
            continue
        if token in _LABEL_LISTS:
            if following == "(":
                end = tokens.index(")", at)
                grouped |= {each for each in tokens[at:end] if _NAME.fullmatch(each)}
                at = end
            continue
        if token in _WORDS or following == "(" or following in _LABEL_LISTS:
            continue  # a function or an aggregation
        labels = selected.setdefault(token, set())
        if following == "{":
            end = tokens.index("}", at)
            labels |= {
                tokens[place]
                for place in range(at + 1, end)
                if _NAME.fullmatch(tokens[place]) and tokens[place - 1] in ("{", ",")
            }
            at = end
    return Named(selected, grouped)
