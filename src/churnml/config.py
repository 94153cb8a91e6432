"""TOML read once into frozen models, with errors that name the file, the key and a remedy."""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from churnml.errors import ConfigError, nearest


class FrozenModel(BaseModel):
    """Base of everything read from TOML: immutable, strict, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=FrozenModel)


def read_toml(path: Path) -> dict[str, Any]:
    """Parse one TOML file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict
        Its content.

    Raises
    ------
    ConfigError
        If the file is missing, unreadable or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        beside = (item.name for item in path.parent.glob("*.toml")) if path.parent.is_dir() else ()
        raise ConfigError(f"{path}: no such file.{nearest(path.name, beside)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}.") from error


def parse(model: type[Model], content: dict[str, Any], where: Path | str) -> Model:
    """Validate parsed TOML against a frozen model.

    Parameters
    ----------
    model : type
        The frozen model to build.
    content : dict
        Parsed TOML.
    where : Path or str
        The file, named in every error.

    Returns
    -------
    FrozenModel
        An instance of `model`.

    Raises
    ------
    ConfigError
        Naming the file, every faulty key, and the nearest allowed key for an unknown one.
    """
    try:
        # TOML has no tuples or sets, so arrays are accepted where a model says tuple.
        return model.model_validate_json(_json(content), strict=True)
    except ValidationError as error:
        lines = [_explain(model, item) for item in error.errors()]
        raise ConfigError("\n".join(f"{where}: {line}" for line in lines)) from error


def read_model(model: type[Model], path: Path) -> Model:
    """Read and validate one TOML file; `read_toml` and `parse` in one call.

    Parameters
    ----------
    model : type
        The frozen model to build.
    path : Path
        The file.

    Returns
    -------
    FrozenModel
        An instance of `model`.

    Raises
    ------
    ConfigError
        If the file is missing, not TOML, or does not fit the model.
    """
    return parse(model, read_toml(path), path)


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, default=_isoformat)


def _isoformat(value: dt.date | dt.time) -> str:
    """Write a date or a time, all that TOML knows and JSON does not."""
    return value.isoformat()


def _explain(model: type[BaseModel], item: Any) -> str:
    location = tuple(item["loc"])
    key = ".".join(str(part) for part in location) or "(the whole file)"
    if item["type"] == "extra_forbidden":
        owner = _model_at(model, location[:-1])
        allowed = _keys(owner) if owner is not None else ()
        return f"unknown key {key!r}.{nearest(str(location[-1]), allowed)}"
    if item["type"] == "missing":
        return f"key {key!r} is required and is missing."
    shown = repr(item["input"])
    shown = shown if len(shown) <= 80 else shown[:77] + "…"
    message = item["msg"].removeprefix("Value error, ")
    return f"key {key!r}: got {shown}: {message}."


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Walk a pydantic error location down to the model that owns its last key."""
    current: Any = model
    for part in location:
        inner = [item for item in _flatten(current) if isinstance(item, type)]
        models = [item for item in inner if issubclass(item, BaseModel)]
        if isinstance(part, int) or not models:
            continue  # an index or a mapping key: the element's model is already in `current`
        fields = {field.alias or name: field for name, field in models[0].model_fields.items()}
        if part in fields:
            current = fields[part].annotation
    found = [
        item for item in _flatten(current) if isinstance(item, type) and issubclass(item, BaseModel)
    ]
    return found[0] if found else None


def _flatten(annotation: Any) -> list[Any]:
    arguments = get_args(annotation)
    return [annotation] if not arguments else [x for item in arguments for x in _flatten(item)]
