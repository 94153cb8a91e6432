"""Queries: what may stand behind the question mark of a path."""

from __future__ import annotations

from fastapi import Depends, Request, params

from churnml.errors import nearest
from churnml.serving.problems import Fault, Problem


def closed() -> params.Depends:
    """Make what a route depends on that refuses parameters which it does not know."""
    found: params.Depends = Depends(_closed)
    return found


async def _closed(request: Request) -> None:
    known = [field.alias for field in request.scope["route"].dependant.query_params]
    faults = [
        Fault(f"query.{name}", f"unknown.{nearest(name, known)}")
        for name in dict.fromkeys(request.query_params)
        if name not in known
    ]
    if faults:
        first = f"{faults[0].at}: {faults[0].why}"
        raise Problem(422, "unfit", f"the request does not fit at {first}", faults=faults)
