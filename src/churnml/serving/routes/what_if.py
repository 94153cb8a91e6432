"""What if: the score of an account in which somebody changed what can be acted on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from churnml.serving.access import needs
from churnml.serving.documents import WhatIf, WhatIfDocument
from churnml.serving.keys import Scope
from churnml.serving.problems import Problem
from churnml.serving.routes.responses import answered, body, problems, service_of, suited
from churnml.serving.routes.scores import not_beyond
from churnml.serving.what_if import Question, Subject

if TYPE_CHECKING:
    from churnml.serving.service import Service

router = APIRouter(prefix="/v1/scores", tags=["scores"], dependencies=needs(Scope.SCORE))


@router.post(
    "/what-if",
    response_model=WhatIfDocument,
    responses=problems(400, 404, 409, 413, 422),
    openapi_extra=body(WhatIf),
    summary="Score an account as it is and with other values of what can be acted on",
)
async def what_if(request: Request) -> Response:
    """Tell what the model says before and after a change, and what is between. Nothing is kept.

    It is what goes with such values, not what would come of the change.
    """
    service = service_of(request)
    question = Question.read(await request.body(), service.bundles.now)
    with suited(request):
        return answered(await service.aside(_answer, service, question))


def _answer(service: Service, question: Question) -> dict[str, Any]:
    subject = question.subject
    return question.answer(subject if subject.values else _found(service, question))


def _found(service: Service, question: Question) -> Subject:
    """Ask history of an account."""
    assert service.accounts is not None  # noqa: S101 - a model with a catalogue has history
    account, as_of = question.subject.account_id or "", question.subject.as_of
    not_beyond(service.accounts, as_of)
    found = service.accounts.score(question.loaded, [account], as_of)
    if not found.scores:
        raise Problem(404, "not-scored", f"the account is not scored: {found.not_scored[account]}")
    (item,) = found.scores
    return replace(
        question.subject, as_of=item.scored.cutoff, arr=item.scored.arr, values=item.values
    )
