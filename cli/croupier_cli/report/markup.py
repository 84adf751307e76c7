"""HTML made of text that is always escaped, unless it is HTML already."""

import html


class Html(str):
    """Text that is HTML."""

    __slots__ = ()


def element(name: str, *children: str, **attributes: str) -> Html:
    """An element. `class_` is the attribute `class`, and `aria_label` is `aria-label`."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"' for key, value in attributes.items()
    )
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def join(*parts: str) -> Html:
    """Parts one after the other."""
    return Html("".join(part if isinstance(part, Html) else html.escape(part) for part in parts))


def table(caption: str, head: list[str], rows: list[list[str]], *, of: str = "") -> Html:
    """A table whose first column names its rows; the others are figures. `of` tells it from others of this caption."""
    titles = [
        element("th", title, scope="col", class_="" if place == 0 else "n")
        for place, title in enumerate(head)
    ]
    body = [
        element(
            "tr", element("th", row[0], scope="row"), *(element("td", cell, class_="n") for cell in row[1:])
        )
        for row in rows
    ]
    whole = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *titles)),
        element("tbody", *body),
    )
    return element(
        "div",
        whole,
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=f"{caption}, {of}" if of else caption,
    )
