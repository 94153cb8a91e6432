"""Problem documents: one shape for every error, and nothing of the inside in any.

References
----------
RFC 9457, Problem Details for HTTP APIs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json
from starlette.responses import Response

from churnml.errors import ChurnMLError, nearest
from churnml.serving.logs import Log

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from starlette.exceptions import HTTPException
    from starlette.requests import Request

MEDIA_TYPE = "application/problem+json"
REQUEST_ID = "churnml.request_id"  # where the edge leaves it in the scope of ASGI
TOLD = 20  # faults of a body
_LONGEST = 80  # characters of a name that somebody sent, as it is told; ours are shorter


@dataclass(frozen=True)
class Fault:
    """What is wrong at one place of a body or a query.

    Parameters
    ----------
    at : str
        The place, such as ``rows.3.features.seats``.
    why : str
        What was expected.
    """

    at: str
    why: str


class Problem(ChurnMLError):  # noqa: N818 - the name that RFC 9457 gives it
    """An answer that is not the one asked for.

    Parameters
    ----------
    status : int
        Of HTTP.
    kind : str
        The last part of its type, which never changes: what a program goes by.
    detail : str
        What was found, what was expected, what to do.
    faults : sequence of Fault
        Where a body is wrong.
    headers : mapping of str to str
        Sent along.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = dict(headers or {})

    def document(self, request_id: str) -> dict[str, Any]:
        """Tell it in values that JSON knows."""
        found: dict[str, Any] = {
            "type": f"urn:churnml:problem:{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.faults:
            found["faults"] = [{"at": item.at, "why": item.why} for item in self.faults]
        return found

    def response(self, request_id: str) -> Response:
        """Answer with it."""
        return Response(
            to_json(self.document(request_id)),
            status_code=self.status,
            media_type=MEDIA_TYPE,
            headers=self.headers,
        )


@dataclass(frozen=True)
class Names:
    """The names that a body may have at its places, for the hint at what was meant.

    Parameters
    ----------
    body : tuple of str
        Of the body and of its rows.
    features : tuple of str
        Of the features.
    """

    body: tuple[str, ...] = ()
    features: tuple[str, ...] = field(default=())


def unknown(name: str, known: Iterable[str]) -> str:
    """Say that nothing has a name, and which was meant; what nobody can have meant is not sought.

    Parameters
    ----------
    name : str
        As it was sent, however long.
    known : iterable of str
        The names that there are; nothing is said of them where there are none.
    """
    names = [*known]
    return f"unknown.{nearest(shown(name), names) if names else ''}"


def shown(name: str) -> str:
    """Cut a name that somebody sent to what people can read: answers must not grow with it."""
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"


def unfit(errors: Sequence[ErrorDetails], names: Names | None = None) -> Problem:
    """Say where a body does not fit, from what pydantic found."""
    if errors and errors[0]["type"] == "json_invalid":
        why = errors[0].get("ctx", {}).get("error", "not valid")
        return Problem(400, "not-json", f"the body is no JSON: {why}.")
    # A long body may have any number of faults, and the nearest name of each takes long to find.
    faults = [_fault(item, names or Names()) for item in errors[:TOLD]]
    return misfit(faults, len(errors))


def misfit(faults: Sequence[Fault], count: int) -> Problem:
    """Say where a request does not fit.

    Parameters
    ----------
    faults : sequence of Fault
        The first of them.
    count : int
        How many there are.
    """
    more = f" and {count - 1} more places" if count > 1 else ""
    first = f"{faults[0].at}{more}: {faults[0].why}" if faults else "it does not fit."
    return Problem(422, "unfit", f"the request does not fit at {first}", faults=faults)


def _fault(item: ErrorDetails, names: Names) -> Fault:
    place = tuple(shown(str(part)) for part in item["loc"])
    at = ".".join(place) or "the whole"
    if item["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        known = names.features if "features" in place[:-1] else names.body
        return Fault(at, unknown(place[-1], known))
    if item["type"] == "missing":
        hint = " Give null where the value is not known." if "features" in place[:-1] else ""
        return Fault(at, f"missing.{hint}")
    return Fault(at, item["msg"].removeprefix("Value error, ").rstrip(".") + ".")


_SAID = {
    404: ("not-found", "nothing is there. /v1/openapi.json tells what is."),
    405: ("method-not-allowed", "this resource does not take that method; see Allow."),
}


def of_http(error: HTTPException) -> Problem:
    """Turn what the framework raises into a problem."""
    kind, detail = _SAID.get(
        error.status_code, ("refused", f"{HTTPStatus(error.status_code).phrase}.")
    )
    return Problem(error.status_code, kind, detail, headers=error.headers)


def internal() -> Problem:
    """Answer a fault of our own; what it was stands in the log, under the request's id."""
    return Problem(
        500, "internal", "the service failed; its log tells why, under this request's id."
    )


def unavailable(error: ChurnMLError, scope: Mapping[str, Any], log: Log) -> Problem:
    """Answer what cannot be had now; why, stands in the log."""
    log.error("unavailable", request_id=scope.get(REQUEST_ID, ""), why=str(error))
    return Problem(
        503, "unavailable", "it cannot be had now; the service's log tells why, under this id."
    )


def request_id(request: Request) -> str:
    """Give the id of a request."""
    return str(request.scope.get(REQUEST_ID, ""))
