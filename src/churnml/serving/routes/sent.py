"""Scores of history that is sent along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from churnml.serving.access import needs
from churnml.serving.answers import answer
from churnml.serving.documents import AccountScoresDocument, HistoryToScore
from churnml.serving.keys import Scope
from churnml.serving.routes.responses import (
    answered,
    body,
    no_history,
    problems,
    service_of,
    suited,
)

if TYPE_CHECKING:
    from churnml.serving.bundles import Loaded
    from churnml.serving.service import Service

router = APIRouter(prefix="/v1/scores", tags=["scores"], dependencies=needs(Scope.SCORE))


@router.post(
    "/history",
    response_model=AccountScoresDocument,
    responses=problems(400, 409, 413, 422),
    openapi_extra=body(HistoryToScore),
    summary="Score an account by its history, sent along",
)
async def by_history(request: Request) -> Response:
    """Score an account by rows of history, and by nothing else that is known. Nothing is kept.

    Features are computed of them by the plan of training, and texts read by the same reader. A row
    that became known at `as_of` or after is not seen.
    """
    service = service_of(request)
    if service.sent is None:
        raise no_history()
    content = await request.body()
    with suited(request):
        return answered(await service.aside(_answer, service, service.bundles.now, content))


def _answer(service: Service, loaded: Loaded, content: bytes) -> dict[str, Any]:
    assert service.sent is not None  # noqa: S101 - the route has looked
    assert service.accounts is not None  # noqa: S101 - it is there where history is
    sent = service.sent.read(content, service.moment())
    found = service.accounts.score_sent(loaded, sent.history, sent.account_id, sent.as_of)
    service.metrics.scored(item.scored.tier for item in found.scores)
    return {
        "scores": [answer(item.scored, loaded, unseen=item.unseen) for item in found.scores],
        "not_scored": [{"account_id": name, "why": why} for name, why in found.not_scored.items()],
    }
