"""Events: rows of history, posted as they happen."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from fastapi.responses import Response

from churnml.serving.access import needs
from churnml.serving.documents import EventsKept, EventsToKeep
from churnml.serving.edge import KEY_ID
from churnml.serving.keys import Scope
from churnml.serving.problems import Problem, request_id
from churnml.serving.routes.responses import answered, body, problems, service_of

router = APIRouter(prefix="/v1/events", tags=["events"], dependencies=needs(Scope.INGEST))


@router.post(
    "",
    response_model=EventsKept,
    responses=problems(400, 409, 413, 422),
    openapi_extra=body(EventsToKeep),
    summary="Keep up to 1,000 rows of history",
)
async def post(request: Request) -> Response:
    """Keep rows of any table of history, all or none; they are on disk before this answers.

    An event is named by its source and its id, for ever: the same again changes nothing, another
    under the same name is refused. Scores by account tell of it from now on.
    """
    service = service_of(request)
    if service.inbox is None or service.histories is None:
        raise Problem(
            409,
            "no-history",
            "the model was trained on a flat table; there is no history to add to.",
        )
    begun = time.perf_counter()
    told = await service.aside(
        service.inbox.take,
        await request.body(),
        service.histories.now,
        service.moment(),
        key_id=request.scope[KEY_ID],
        request_id=request_id(request),
        most=service.settings.events,
    )
    service.metrics.event_lag(time.perf_counter() - begun)
    return answered(told)
