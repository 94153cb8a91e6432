"""A service over the small company, asked without a network."""

from __future__ import annotations

import asyncio
import io
import json
import runpy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from churnml.project import Project
from churnml.serving.app import create_app
from churnml.serving.keys import Scope
from churnml.serving.logs import log_to
from churnml.serving.service import Service
from churnml.serving.settings import Settings
from churnml.serving.start import start
from churnml.training.workflow import Trained

if TYPE_CHECKING:
    from fastapi import FastAPI

MEMORY = runpy.run_path(str(Path(__file__).with_name("in_memory.py")))


@dataclass
class Asker:
    """Asks an application, with a key unless told otherwise."""

    service: Service
    app: FastAPI
    store: Any
    key: str
    log: io.StringIO

    def __call__(self, method: str, path: str, **how: Any) -> httpx.Response:
        return asyncio.run(self.ask(method, path, **how))

    async def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}", **how.pop("headers", {})}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, headers=headers, **how)

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


Serving = Callable[..., Asker]


@pytest.fixture
def serving() -> Iterator[Serving]:
    """Give what starts a service over a project."""
    begun: list[Service] = []

    def made(project: Project, **settings: Any) -> Asker:
        store, log = MEMORY["MemoryStore"](), io.StringIO()
        service = start(project, "churn_90d", store, log_to(log), settings=Settings(**settings))
        begun.append(service)
        return Asker(service, create_app(service), store, store.key(Scope.SCORE), log)

    yield made
    for service in begun:
        service.close()


@pytest.fixture(scope="session")
def ask(company: Project, trained: Trained) -> Iterator[Asker]:
    """Give a service over the company that any test may ask."""
    store, log = MEMORY["MemoryStore"](), io.StringIO()
    service = start(company, "churn_90d", store, log_to(log))
    yield Asker(service, create_app(service), store, store.key(Scope.SCORE), log)
    service.close()


@pytest.fixture(scope="session")
def row(trained: Trained) -> dict[str, Any]:
    """Give one of the bundle's golden rows, as it is sent."""
    golden = json.loads((trained.bundle.folder / "golden.json").read_text(encoding="utf-8"))
    return {"features": dict(zip(golden["columns"], golden["rows"][11], strict=True))}
