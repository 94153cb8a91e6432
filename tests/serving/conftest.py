"""A service over the small company, asked without a network."""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from churnml.project import Project
from churnml.serving.app import create_app
from churnml.serving.keys import Scope, make
from churnml.serving.logs import log_to
from churnml.serving.service import Service
from churnml.serving.settings import Settings
from churnml.serving.start import start
from churnml.serving.store.database import Database
from churnml.serving.store.revisions import upgrade
from churnml.serving.store.store import Store
from churnml.training.workflow import Trained

if TYPE_CHECKING:
    from fastapi import FastAPI

NOW = dt.datetime(2024, 1, 1)


def key_in(store: Store, *scopes: Scope, rate: float | None = None) -> str:
    """Make a key in a store."""
    made = make("test", scopes, NOW, rate=rate)
    store.keys.add(made.stored)
    return made.text


def store_at(folder: Path) -> Store:
    """Make an empty store in a folder."""
    url = f"sqlite:///{folder / 'service.db'}"
    database = Database(url)
    upgrade(database)
    database.close()
    return Store.open(url)


@pytest.fixture
def empty_store(tmp_path: Path) -> Iterator[Store]:
    """Give a store of SQLite with nothing in it."""
    with store_at(tmp_path) as store:
        yield store


@dataclass
class Asker:
    """Asks an application, with a key unless told otherwise."""

    service: Service
    app: FastAPI
    store: Store
    key: str
    log: io.StringIO

    def __call__(self, method: str, path: str, **how: Any) -> httpx.Response:
        return asyncio.run(self.ask(method, path, **how))

    async def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}", **how.pop("headers", {})}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, headers=headers, **how)

    def key_for(self, *scopes: Scope, rate: float | None = None) -> str:
        return key_in(self.store, *scopes, rate=rate)

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


Serving = Callable[..., Asker]


@pytest.fixture
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Give what starts a service over a project."""
    begun: list[Service] = []

    def made(project: Project, **settings: Any) -> Asker:
        store, log = store_at(tmp_path_factory.mktemp("store")), io.StringIO()
        service = start(project, "churn_90d", store, log_to(log), settings=Settings(**settings))
        begun.append(service)
        return Asker(service, create_app(service), store, key_in(store, Scope.SCORE), log)

    yield made
    for service in begun:
        service.close()
        service.store.close()


@pytest.fixture
def store_in() -> Iterator[Callable[[Path], Store]]:
    """Give what makes an empty store in a folder."""
    made: list[Store] = []

    def make_in(folder: Path) -> Store:
        made.append(store_at(folder))
        return made[-1]

    yield make_in
    for store in made:
        store.close()


@pytest.fixture(scope="session")
def ask(
    company: Project, trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asker]:
    """Give a service over the company that any test may ask."""
    store, log = store_at(tmp_path_factory.mktemp("store")), io.StringIO()
    service = start(company, "churn_90d", store, log_to(log))
    yield Asker(service, create_app(service), store, key_in(store, *Scope), log)
    service.close()
    store.close()


@pytest.fixture
def apart(company: Project, trained: Trained, tmp_path: Path) -> Project:
    """Give a company of its own, which may be changed."""
    root = tmp_path / "acme"
    shutil.copytree(company.root, root)
    return Project.load(root)


@pytest.fixture(scope="session")
def row(trained: Trained) -> dict[str, Any]:
    """Give one of the bundle's golden rows, as it is sent."""
    golden = json.loads((trained.bundle.folder / "golden.json").read_text(encoding="utf-8"))
    return {"features": dict(zip(golden["columns"], golden["rows"][11], strict=True))}
