"""HTML built as a tree: what is put in is text and never markup, and every element is closed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias
from xml.etree.ElementTree import Element, tostring

Content: TypeAlias = str | Element

# What no page may hold; customers' words do now and then.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# The page loads nothing, from nowhere, and runs nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def tag(of: str, /, *inside: Content, kind: str | None = None, **attributes: str) -> Element:
    """Make an element.

    Parameters
    ----------
    of : str
        Its name.
    *inside : str or Element
        What stands in it, in order.
    kind : str, optional
        Its class.
    **attributes : str
        The others.
    """
    made = Element(of, {key: _clean(value) for key, value in attributes.items()})
    if kind is not None:
        made.set("class", kind)
    last: Element | None = None
    for part in inside:
        if isinstance(part, Element):
            made.append(part)
            last = part
        elif last is None:
            made.text = (made.text or "") + _clean(part)
        else:
            last.tail = (last.tail or "") + _clean(part)
    return made


def table(
    caption: str,
    columns: Sequence[tuple[str, str | None]],
    rows: Sequence[Sequence[Content]],
    *,
    kind: str | None = None,
) -> Element:
    """Make a table; the first cell of each row is its heading.

    Parameters
    ----------
    caption : str
        What it shows.
    columns : sequence of pairs
        Their headings and their classes.
    rows : sequence of sequences
        A cell for each column.
    kind : str, optional
        Its class.
    """
    heads = [tag("th", title, kind=mark, scope="col") for title, mark in columns]
    body = []
    for first, *others in rows:
        kinds = [mark for _, mark in columns[1:]]
        cells = [tag("td", cell, kind=mark) for cell, mark in zip(others, kinds, strict=True)]
        body.append(tag("tr", tag("th", first, kind=columns[0][1], scope="row"), *cells))
    return tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *heads)),
        tag("tbody", *body),
        kind=kind,
    )


def facts(pairs: Sequence[tuple[str, str]]) -> Element:
    """Make a list of names and what they are."""
    return tag("dl", *(part for name, told in pairs for part in (tag("dt", name), tag("dd", told))))


def document(title: str, style: str, *content: Element) -> str:
    """Write a whole page in English.

    Parameters
    ----------
    title : str
        What a browser calls it.
    style : str
        The style sheet, which is written as it is.
    *content : Element
        What it shows.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", content=_POLICY, **{"http-equiv": "Content-Security-Policy"}),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", style),
    )
    page = tag("html", head, tag("body", tag("main", *content)), lang="en")
    return f"<!doctype html>\n{tostring(page, encoding='unicode', method='html')}\n"


def _clean(text: str) -> str:
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
