"""The model that answers, and its other versions."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import Response

from churnml.serving.access import needs
from churnml.serving.card import card
from churnml.serving.documents import ModelCard, ModelVersions
from churnml.serving.keys import Scope
from churnml.serving.routes.responses import answered, problems, service_of

router = APIRouter(prefix="/v1", tags=["model"], dependencies=needs(Scope.SCORE))


@router.get("/model", response_model=ModelCard, responses=problems(), summary="The model card")
async def model(request: Request) -> Response:
    """Tell what is predicted, from which features, how well, and what is taken for granted."""
    return answered(card(service_of(request).bundles.now))


@router.get(
    "/models",
    response_model=ModelVersions,
    responses=problems(),
    summary="The versions of the model",
)
async def models(request: Request) -> Response:
    """Tell which versions there are, the latest first, how good each was, and which is in charge.

    It is told by the bundles and their journal alone, whatever became of the registry.
    """
    service = service_of(request)
    answers = service.bundles.now.bundle.id
    return answered(await asyncio.to_thread(service.versions.document, answers))
