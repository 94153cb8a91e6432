"""Whether the service is alive and ready, and what it measures; open to all, without a key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic_core import to_json

from churnml.errors import ChurnMLError
from churnml.serving.answers import utc
from churnml.serving.documents import Alive, Readiness
from churnml.serving.routes.responses import answered, service_of

if TYPE_CHECKING:
    from churnml.serving.service import Service

router = APIRouter(tags=["operations"])
_NOBODY = "0" * 16


@router.get("/healthz", response_model=Alive, summary="Whether the process answers")
async def healthz() -> Response:
    """Tell that the process answers; whether it can score, `/readyz` tells."""
    return answered({"status": "alive"})


@router.get(
    "/readyz",
    response_model=Readiness,
    responses={503: {"description": "Not ready.", "model": Readiness}},
    summary="Whether scores can be given",
)
async def readyz(request: Request) -> Response:
    """Tell whether there is a bundle, the store answers, and how fresh history is."""
    service = service_of(request)
    checks = {
        "bundle": {"ok": True, "says": service.bundles.now.name},
        "store": await asyncio.to_thread(_store, service),
    }
    if service.histories is not None:
        checks["history"] = _history(service)
    ready = all(check["ok"] for check in checks.values())
    document = {"status": "ready" if ready else "not ready", "checks": checks}
    return Response(
        to_json(document), status_code=200 if ready else 503, media_type="application/json"
    )


def _store(service: Service) -> dict[str, Any]:
    try:
        service.store.keys.find(_NOBODY)
    except ChurnMLError as error:
        service.log.warning("store", why=str(error))
        return {"ok": False, "says": {}}
    return {"ok": True, "says": {}}


def _history(service: Service) -> dict[str, Any]:
    assert service.histories is not None  # noqa: S101 - the caller has looked
    until = service.histories.now.observed_until
    return {
        "ok": True,
        "says": {"observed_until": utc(until), "stale": list(service.histories.stale)},
    }


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    summary="What is measured, for Prometheus",
)
async def metrics(request: Request) -> Response:
    """Tell latencies by route, scores by tier, and which model answers; never whose score."""
    content = service_of(request).metrics.exposition()
    return Response(content, headers={"Content-Type": CONTENT_TYPE_LATEST})
