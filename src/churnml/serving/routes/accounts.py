"""Accounts: with their latest scores, and what their people wrote."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from churnml.actions.account_tiers import AccountTier
from churnml.actions.tiers import RiskTier
from churnml.serving.access import needs
from churnml.serving.account_documents import AccountDocument, AccountsPage, MessagesPage
from churnml.serving.answers import utc
from churnml.serving.cursors import MOST, no_cursor, read_cursor, write_cursor
from churnml.serving.documents import ID_LENGTH
from churnml.serving.keys import Scope
from churnml.serving.messages import Earlier, messages
from churnml.serving.problems import Problem
from churnml.serving.routes.queries import closed
from churnml.serving.routes.responses import answered, note, problems, service_of
from churnml.serving.store.standings import After, SortBy, Sought, Standing

router = APIRouter(prefix="/v1/accounts", tags=["accounts"], dependencies=needs(Scope.SCORE))
personal = APIRouter(prefix="/v1/accounts", tags=["accounts"], dependencies=needs(Scope.ACT))

AccountId = Annotated[str, Path(min_length=1, max_length=ID_LENGTH)]
Cursor = Annotated[str | None, Query(max_length=MOST, description="`next` of the page before.")]
Order = Literal["asc", "desc"]
_PART = r"^[^\x00]+$"  # no database looks for NUL
_KINDS: dict[SortBy, tuple[type, ...]] = {
    SortBy.ARR_AT_RISK: (float, int, type(None)),
    SortBy.PROBABILITY: (float, int),
    SortBy.SCORED_AT: (str,),
    SortBy.ACCOUNT_ID: (type(None),),
}


@router.get(
    "",
    response_model=AccountsPage,
    responses=problems(422),
    dependencies=[closed()],
    summary="Accounts with their latest scores",
)
async def listed(
    request: Request,
    risk_tier: Annotated[list[RiskTier] | None, Query(description="Any of these.")] = None,
    account_tier: Annotated[list[AccountTier] | None, Query(description="Any of these.")] = None,
    min_arr_at_risk: Annotated[float | None, Query(ge=0, allow_inf_nan=False)] = None,
    min_probability: Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False)] = None,
    search: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=100,
            pattern=_PART,
            description="A part of the id or the name, in upper or lower case.",
        ),
    ] = None,
    sort: SortBy = SortBy.ARR_AT_RISK,
    order: Annotated[
        Order | None, Query(description="The most first, but ids from the first on, if omitted.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Cursor = None,
) -> Response:
    """List the accounts that were scored, each with its latest score.

    A page goes on after the value and id of the last account on the one before. An account whose
    score changes meanwhile may so be met twice or not at all.
    """
    service = service_of(request)
    order = order or ("asc" if sort is SortBy.ACCOUNT_ID else "desc")
    after = None if cursor is None else _after(cursor, sort, order)

    def work() -> dict[str, Any]:
        names = service.names.now
        sought = Sought(
            recipe=service.bundles.now.name["recipe"],
            risk_tiers=risk_tier or (),
            account_tiers=account_tier or (),
            least_arr_at_risk=min_arr_at_risk,
            least_probability=min_probability,
            part=search,
            named=() if search is None else names.having(search),
            by=sort,
            descending=order == "desc",
        )
        found = service.store.standings.page(sought, limit + 1, after)
        page = found[:limit]
        return {
            "accounts": [_standing(item, names.of.get(item.account_id)) for item in page],
            "next": _next(page[-1], sort, order) if len(found) > limit else None,
        }

    return answered(await asyncio.to_thread(work))


@router.get(
    "/{account_id}",
    response_model=AccountDocument,
    responses=problems(404, 422),
    dependencies=[closed()],
    summary="An account with its latest score",
)
async def one(request: Request, account_id: AccountId) -> Response:
    """Tell the latest score of an account, how many there are, and where more is told of it."""
    service = service_of(request)

    def work() -> dict[str, Any]:
        recipe = service.bundles.now.name["recipe"]
        found = service.store.standings.of(recipe, account_id)
        if found is None:
            raise Problem(
                404,
                "not-scored",
                "no score of this account was given yet. POST /v1/scores/accounts gives one.",
            )
        standing, answers = found
        name = service.names.now.of.get(account_id)
        return {**_standing(standing, name), "answers": answers, "links": _links(account_id)}

    return answered(await asyncio.to_thread(work))


@personal.get(
    "/{account_id}/messages",
    response_model=MessagesPage,
    responses=problems(404, 409, 422),
    dependencies=[closed()],
    summary="What an account's people wrote",
)
async def written(
    request: Request,
    account_id: AccountId,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Cursor = None,
) -> Response:
    """Tell what an account's people wrote, the latest first, with what it says as it is read now.

    Whose key reads whose words is in the audit before they are given.
    """
    service = service_of(request)
    earlier = None if cursor is None else _earlier(cursor)
    if service.histories is None:
        raise Problem(
            409, "no-history", "the model was trained on a flat table; there are no messages."
        )
    await note(request, "messages.read", account_id)
    found = await service.aside(
        messages,
        service.project,
        service.histories,
        account_id,
        limit + 1,
        earlier,
        live=service.live,
    )
    if found is None:
        raise Problem(404, "unknown-account", "history knows no such account.")
    page = found[:limit]
    return answered(
        {
            "messages": page,
            "next": write_cursor([page[-1]["said_at"], page[-1]["text_id"]])
            if len(found) > limit
            else None,
        }
    )


def _standing(item: Standing, name: str | None) -> dict[str, Any]:
    return {
        "account_id": item.account_id,
        "name": name,
        "as_of": None if item.cutoff is None else utc(item.cutoff),
        "scored_at": utc(item.scored_at),
        "probability": item.probability,
        "interval": {"low": item.low, "high": item.high},
        "risk_tier": item.risk_tier,
        "account_tier": item.account_tier,
        "arr": item.arr,
        "arr_at_risk": item.arr_at_risk,
        "bundle": item.bundle,
    }


def _links(account_id: str) -> dict[str, str]:
    name = quote(account_id, safe="")
    return {
        "score": f"/v1/scores/{name}",
        "history": f"/v1/scores/{name}/history",
        "messages": f"/v1/accounts/{name}/messages",
    }


def _next(last: Standing, sort: SortBy, order: Order) -> str:
    value = None if sort is SortBy.ACCOUNT_ID else getattr(last, sort)
    if isinstance(value, dt.datetime):
        value = value.isoformat()
    return write_cursor([sort, order, value, last.account_id])


def _after(cursor: str, sort: SortBy, order: Order) -> After:
    by, way, value, account_id = read_cursor(cursor, [(str,), (str,), _KINDS[sort], (str,)])
    if (by, way) != (sort, order):
        raise no_cursor("it is of another order. Give the `sort` and `order` of its page.")
    if isinstance(value, str):
        value = _time(value)
    elif value is not None:
        value = _number(value)
    return After(account_id if sort is SortBy.ACCOUNT_ID else value, account_id)


def _earlier(cursor: str) -> Earlier:
    said_at, text_id = read_cursor(cursor, [(str,), (str,)])
    return Earlier(_time(said_at.removesuffix("Z")), text_id)


def _time(text: str) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise no_cursor() from None
    if found.tzinfo is not None:
        raise no_cursor()
    return found


def _number(value: float) -> float:
    try:
        found = float(value)
    except OverflowError:
        raise no_cursor() from None
    if not math.isfinite(found):
        raise no_cursor()
    return found
