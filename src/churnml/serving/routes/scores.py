"""Scores: by features, by account, and those that were given."""

from __future__ import annotations

import asyncio
import base64
import binascii
import datetime as dt
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import ValidationError
from pydantic_core import to_json

from churnml.serving.access import needs
from churnml.serving.answers import answer, utc
from churnml.serving.changed import since
from churnml.serving.documents import (
    ID_LENGTH,
    ISO_TIME,
    TIMES,
    AccountScoresDocument,
    AccountsToScore,
    FeatureRow,
    FeatureRows,
    ScoreDocument,
    ScoreDocuments,
    ScoreHistory,
)
from churnml.serving.keys import Scope
from churnml.serving.problems import Fault, Names, Problem, request_id, unfit
from churnml.serving.routes.responses import (
    Streamed,
    answered,
    body,
    no_history,
    problems,
    service_of,
    suited,
)
from churnml.serving.rows import instant
from churnml.serving.shortcut import Way
from churnml.serving.spool import Spool

if TYPE_CHECKING:
    from churnml.serving.accounts import Accounts
    from churnml.serving.bundles import Loaded
    from churnml.serving.service import Service

BULK = "/v1/scores/bulk"
NDJSON = "application/x-ndjson"
_AT_ONCE = 200  # lines of bulk

router = APIRouter(prefix="/v1/scores", tags=["scores"], dependencies=needs(Scope.SCORE))
AccountId = Annotated[str, Path(min_length=1, max_length=ID_LENGTH)]


@router.post(
    "/features",
    response_model=ScoreDocument,
    responses=problems(400, 413, 422),
    openapi_extra=body(FeatureRow),
    summary="Score one row of features",
)
async def by_features(request: Request) -> Response:
    """Score an account by its features, whatever history says of it. Nothing is kept."""
    service = service_of(request)
    loaded = service.bundles.now
    read = loaded.reader.row(await request.body())
    return Response(service.answer(read, loaded), media_type="application/json")


@router.post(
    "/batch",
    response_model=ScoreDocuments,
    responses=problems(400, 413, 422),
    openapi_extra=body(FeatureRows),
    summary="Score up to 1,000 rows of features",
)
async def batch(request: Request) -> Response:
    """Score rows of features, all or, if one does not fit, none. Nothing is kept."""
    service = service_of(request)
    loaded = service.bundles.now
    content = await request.body()

    def work() -> bytes:
        read = loaded.reader.batch(content, service.settings.batch_rows)
        return to_json({"scores": service.answers(read, loaded)})

    return Response(await service.aside(work), media_type="application/json")


@router.post(
    "/bulk",
    response_class=Response,
    responses={
        200: {
            "description": "A line for each line: a score, or the problem with it.",
            "content": {NDJSON: {"schema": {"type": "string"}}},
        },
        **problems(),
    },
    openapi_extra=body(FeatureRow, NDJSON),
    summary="Score any number of rows of features, line by line",
)
async def bulk(request: Request) -> Response:
    """Score lines of JSON, each a row of features, while they come in. Nothing is kept.

    Blank lines are passed over. A line that does not fit is answered by a problem document in its
    place, and the others go on. One model scores all of them.
    """
    service = service_of(request)
    return Streamed(_scored_lines(request, service, service.bundles.now), NDJSON)


async def _scored_lines(request: Request, service: Service, loaded: Loaded) -> AsyncIterator[bytes]:
    settings = service.settings
    name = request_id(request)
    waiting: list[bytes | None] = []
    ending = b""
    async with Spool(request.stream(), settings.time_limit, settings.line_limit) as spool:
        try:
            async for line in spool.lines():
                if line is None or line.strip():
                    waiting.append(line)
                if len(waiting) >= _AT_ONCE:
                    yield await service.aside(_answer_lines, service, loaded, waiting, name)
                    waiting = []
        except TimeoutError:
            late = f"no more came within {settings.time_limit:g} seconds."
            ending = to_json(Problem(408, "too-slow", late).document(name)) + b"\n"
        if waiting:
            yield await service.aside(_answer_lines, service, loaded, waiting, name)
        if ending:
            yield ending


def _answer_lines(service: Service, loaded: Loaded, lines: list[bytes | None], name: str) -> bytes:
    """Answer lines in their order: the good ones are scored together."""
    rows: list[dict[str, Any]] = []
    told: list[dict[str, Any] | None] = []
    for line in lines:
        try:
            rows.append(loaded.reader.parsed(_whole(line, service.settings.line_limit)))
            told.append(None)
        except Problem as problem:
            told.append(problem.document(name))
    scores = iter(service.answers(loaded.reader.rows(rows), loaded) if rows else ())
    found = (next(scores) if item is None else item for item in told)
    return b"".join(to_json(item) + b"\n" for item in found)


def _whole(line: bytes | None, limit: int) -> bytes:
    if line is None:
        raise Problem(413, "too-long", f"the line has more than {limit:,} bytes.")
    return line


@router.post(
    "/accounts",
    response_model=AccountScoresDocument,
    responses=problems(400, 409, 413, 422),
    openapi_extra=body(AccountsToScore),
    summary="Score up to 100 accounts from history",
)
async def by_accounts(request: Request) -> Response:
    """Score accounts by what history says of them, now or as of a date.

    Answers are written to the ledger before they are given, and can be had again from there.
    """
    service = service_of(request)
    loaded = service.bundles.now
    if service.accounts is None:
        raise no_history()
    asked, as_of = _asked(await request.body(), service.settings.accounts)
    not_beyond(service.accounts, as_of)
    with suited(request):
        return answered(await service.aside(_score_accounts, service, loaded, asked, as_of))


def not_beyond(accounts: Accounts, as_of: dt.datetime | None) -> None:
    """Refuse a time of which nothing is observed yet."""
    until = accounts.observed_until
    if as_of is not None and as_of > until:
        raise _unfit("as_of", f"it lies beyond the end of observation, {utc(until)}.")


def _asked(content: bytes, most: int) -> tuple[list[str], dt.datetime | None]:
    try:
        wanted = AccountsToScore.model_validate_json(content)
    except ValidationError as error:
        names = Names(tuple(AccountsToScore.model_fields))
        raise unfit(error.errors(include_url=False, include_input=False), names) from None
    as_of = None if wanted.as_of is None else _instant(wanted.as_of)
    if len(wanted.account_ids) > most:
        raise _unfit("account_ids", f"at most {most:,} are taken at once.")
    if len(set(wanted.account_ids)) < len(wanted.account_ids):
        raise _unfit("account_ids", "an account is named twice.")
    return wanted.account_ids, as_of


def _instant(as_of: str) -> dt.datetime:
    try:
        return instant(as_of)
    except ValueError as error:
        raise _unfit("as_of", f"{error}.") from None


def _unfit(at: str, why: str) -> Problem:
    return Problem(
        422, "unfit", f"the request does not fit at {at}: {why}", faults=[Fault(at, why)]
    )


def _score_accounts(
    service: Service, loaded: Loaded, accounts: list[str], as_of: dt.datetime | None
) -> dict[str, Any]:
    assert service.accounts is not None  # noqa: S101 - the route has looked
    found = service.accounts.score(loaded, accounts, as_of)
    at = service.moment()
    told = [
        answer(item.scored, loaded, unseen=item.unseen, stale=found.stale, scored_at=at)
        for item in found.scores
    ]
    earlier = service.store.scores.latest_of(
        loaded.name["recipe"], [document["account_id"] for document in told]
    )
    for document in told:
        last = earlier.get(document["account_id"])
        document["changed"] = since(None if last is None else last.document, document)
    service.keep([item.scored for item in found.scores], told, at)
    scored = [item.scored for item in found.scores]
    service.observe(scored, found.matrix, loaded, today=as_of is None)
    absent = [{"account_id": name, "why": why} for name, why in found.not_scored.items()]
    return {"scores": told, "not_scored": absent}


@router.get(
    "/{account_id}",
    response_model=ScoreDocument,
    responses=problems(404, 422),
    summary="The latest score that was given of an account, or the one that stood at a time",
)
async def latest(
    request: Request,
    account_id: AccountId,
    as_of: Annotated[str | None, Query(pattern=ISO_TIME, description=TIMES)] = None,
) -> Response:
    """Give the last answer about an account again, exactly as it was.

    With `as_of` it is the last that was given strictly before then, whatever was given since:
    nothing is computed.
    """
    service = service_of(request)
    recipe = service.bundles.now.name["recipe"]
    if as_of is not None:
        before = _instant(as_of)
        stood = await asyncio.to_thread(service.store.scores.history, recipe, account_id, 1, before)
        if not stood:
            raise _not_yet(before)
        return answered(stood[0].document)
    found = service.store.scores.at_hand(recipe, account_id)
    if found is None:
        found = await asyncio.to_thread(service.store.scores.latest_text, recipe, account_id)
    if found is None:
        raise _never()
    return Response(found, media_type="application/json")


@router.get(
    "/{account_id}/history",
    response_model=ScoreHistory,
    responses=problems(404, 422),
    summary="The scores that were given of an account",
)
async def history(
    request: Request,
    account_id: AccountId,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Give past answers about an account again, the last first, page by page."""
    service = service_of(request)
    recipe = service.bundles.now.name["recipe"]
    before, number = (None, None) if cursor is None else _read_cursor(cursor)
    found = await asyncio.to_thread(
        service.store.scores.history, recipe, account_id, limit + 1, before, number
    )
    if not found and cursor is None:
        raise _never()
    more = len(found) > limit
    page = found[:limit]
    return answered(
        {
            "scores": [record.document for record in page],
            "next": _cursor(page[-1].scored_at, page[-1].number) if more else None,
        }
    )


def _never() -> Problem:
    return Problem(
        404,
        "not-scored",
        "no score of this account was given yet. POST /v1/scores/accounts gives one.",
    )


def _not_yet(before: dt.datetime) -> Problem:
    return Problem(
        404,
        "not-scored",
        f"no score of this account was given before {utc(before)}. GET its history to see when one "
        "was; POST /v1/scores/accounts with this as_of computes one now, of what was known then.",
    )


def _cursor(at: dt.datetime, number: int | None) -> str:
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), number]).encode()).decode()


def _read_cursor(cursor: str) -> tuple[dt.datetime, int]:
    try:
        at, number = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**63:
            raise _unfit("cursor", "give one that an earlier page had as next.")
        return dt.datetime.fromisoformat(at), number
    except (ValueError, TypeError, binascii.Error):
        raise _unfit("cursor", "give one that an earlier page had as next.") from None


WAYS = (
    Way("POST", f"{router.prefix}/features", Scope.SCORE, by_features),
    Way("GET", f"{router.prefix}/{{account_id}}", Scope.SCORE, latest, longest=ID_LENGTH),
)
