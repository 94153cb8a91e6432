"""Texts: read as they are sent, and corrected where history has them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError

from churnml.errors import ConfigError, DataError
from churnml.history.tables import READINGS
from churnml.serving.access import needs
from churnml.serving.answers import utc
from churnml.serving.documents import ID_LENGTH
from churnml.serving.edge import KEY_ID
from churnml.serving.keys import Scope
from churnml.serving.problems import Names, Problem, unfit
from churnml.serving.routes.responses import answered, body, note, problems, service_of
from churnml.serving.service import Service
from churnml.serving.text_documents import Corrected, TextCorrection, TextReadings, TextsToRead
from churnml.text.correcting import keep, require_own, speaker
from churnml.text.corrections import Correction

router = APIRouter(prefix="/v1/texts", tags=["texts"], dependencies=needs(Scope.SCORE))
corrections = APIRouter(prefix="/v1/texts", tags=["texts"], dependencies=needs(Scope.ACT))

_SAID = {True: "yes", False: "no", None: ""}
Part = Annotated[str, Path(min_length=1, max_length=ID_LENGTH)]


@router.post(
    "/read",
    response_model=TextReadings,
    responses=problems(400, 413, 422),
    openapi_extra=body(TextsToRead),
    summary="Read up to 100 texts",
)
async def read(request: Request) -> Response:
    """Tell what texts say, with the words that show it. Nothing is kept."""
    wanted = _valid(TextsToRead, await request.body())
    return answered(await service_of(request).texts.read(wanted.texts))


@corrections.post(
    "/{origin}/{key:path}/corrections",  # a key may have slashes
    response_model=Corrected,
    responses=problems(400, 404, 409, 413, 422),
    openapi_extra=body(TextCorrection),
    summary="Correct the reading of a text",
)
async def correct(request: Request, origin: Part, key: Part) -> Response:
    """Say what a text says; it wins over every model, from now on and not before.

    A text is named by the table that it stands in and its key there, as `text_id` of messages
    does. Who corrects what is in the audit before it is written.
    """
    service = service_of(request)
    said = _valid(TextCorrection, await request.body()).model_dump(exclude_unset=True)
    if not said:
        raise Problem(422, "unfit", "the request says nothing of the text. Name a part of it.")
    text_id = f"{origin}/{key}"
    account = await service.aside(_speaker, service, text_id)
    by = await service.aside(_name, service, request.scope[KEY_ID])
    at = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    made = [
        Correction(text_id, part, value if isinstance(value, str) else _SAID[value], by, at)
        for part, value in said.items()
    ]
    await note(request, "texts.correct", f"{account} {text_id}")
    await service.aside(keep, service.project.data, service.project.var, made)
    return answered(
        {
            "text_id": text_id,
            "account_id": account,
            "by": by,
            "at": utc(at),
            "corrections": said,
        }
    )


def _valid(model: type[BaseModel], content: bytes) -> Any:
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        names = Names(tuple(model.model_fields))
        raise unfit(error.errors(include_url=False, include_input=False), names) from None


def _speaker(service: Service, text_id: str) -> str:
    """Tell whose text it is that may be corrected."""
    try:
        require_own(service.project.sources)
    except ConfigError:
        raise Problem(
            409, "given", "a source gives these readings: correct them there, by a further row."
        ) from None
    unknown = Problem(404, "no-text", "history has no such text.")
    if service.histories is None or READINGS.name not in service.histories.now.contracts:
        raise unknown
    try:
        return speaker(service.histories.now, text_id)
    except DataError:
        raise unknown from None


def _name(service: Service, key_id: str) -> str:
    key = service.store.keys.find(key_id)
    assert key is not None  # noqa: S101 - it was admitted, and no key is ever removed
    return key.name
