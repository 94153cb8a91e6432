"""The model that answers."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from churnml.serving.access import needs
from churnml.serving.card import card
from churnml.serving.documents import ModelCard
from churnml.serving.keys import Scope
from churnml.serving.routes.responses import answered, problems, service_of

router = APIRouter(prefix="/v1", tags=["model"], dependencies=needs(Scope.SCORE))


@router.get("/model", response_model=ModelCard, responses=problems(), summary="The model card")
async def model(request: Request) -> Response:
    """Tell what is predicted, from which features, how well, and what is taken for granted."""
    return answered(card(service_of(request).bundles.now))
