"""New projects: the reference project's folders copied, or one made around a flat table."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import churnml
from churnml import flat
from churnml.errors import ConfigError, nearest, writing

PACKAGE = Path(churnml.__file__).parent
SCAFFOLDS = PACKAGE / "_scaffold"
RECIPE = "recipe.toml"
TIERS = "tiers.toml"
# Where tiers begin, as multiples of the odds of leaving. Those of the reference project stand there
# too, for its 3.5 % in a quarter; a table of which half left would have all its accounts critical.
STEPS = {"medium": 1.5, "high": 5, "critical": 18}
# What tools act on wherever they find it has another name among the scaffolds.
RENAMED = {"gitignore": ".gitignore", "project.toml": "pyproject.toml"}
KEPT = ("README.md", ".gitignore")
HARMLESS = (*KEPT, "LICENSE")
YES = frozenset({"yes", "y", "true", "t", "1", "1.0", "churned", "left", "exited"})


@dataclass(frozen=True)
class Scaffold:
    """A project that was made.

    Parameters
    ----------
    folder : Path
        Its root.
    written : tuple of Path
        The files that were written, in order.
    notes : tuple of str
        What the maker should know.
    next : tuple of str
        The commands to run next.
    """

    folder: Path
    written: tuple[Path, ...]
    notes: tuple[str, ...]
    next: tuple[str, ...]


def template() -> Path:
    """Find the reference project: inside an installed package, or around a checkout.

    Raises
    ------
    ConfigError
        If the installation holds neither.
    """
    packaged = PACKAGE / "_template"
    checkout = PACKAGE.parent.parent
    for folder in (packaged, checkout):
        if (folder / "data" / "sources.toml").is_file():
            return folder
    raise ConfigError(
        f"{PACKAGE}: the reference project is missing from this installation: neither {packaged} "
        f"nor {checkout} has data/sources.toml. Install churnml again."
    )


def from_history(folder: Path) -> Scaffold:
    """Make a project that learns from history.

    Parameters
    ----------
    folder : Path
        Its root: missing, empty, or holding nothing but a fresh repository.

    Raises
    ------
    ConfigError
        If the folder holds anything that is not churnml's to build on, or cannot be written.
    """
    source = template()
    copied = [
        path.relative_to(source)
        for part in ("features", "training", "serving")
        for path in sorted((source / part).rglob("*.toml"))
    ]
    copied += [Path("data/sources.toml"), Path("data/text.toml")]
    contents = {str(path): (source / path).read_text(encoding="utf-8") for path in copied}
    contents |= _texts("history", name=toml_string(_name(folder)), title=_name(folder))
    with writing(folder):
        notes = _settle(folder, contents)
        written = _write(folder, contents)
    return Scaffold(
        folder=folder,
        written=written,
        notes=notes,
        next=(
            f"cd {shlex.quote(str(folder))}",
            "churnml simulate data/sample --accounts 2000 --months 30 --seed 7",
            "churnml check",
            "churnml train churn_90d",
        ),
    )


def from_table(
    folder: Path,
    table: Path,
    *,
    label: str,
    positive: str | None = None,
    identifier: str | None = None,
) -> Scaffold:
    """Make a project that learns from one flat table: `account × features × label`.

    Parameters
    ----------
    folder : Path
        Its root: missing, empty, or holding nothing but a fresh repository and the table.
    table : Path
        CSV or Parquet. Read where it is when it lies in `folder`, else copied to ``data/``.
    label : str
        The column that says who left.
    positive : str, optional
        The label's value for those who left. Found by itself where one of two values plainly
        says so: Yes, True, 1, Churned.
    identifier : str, optional
        The column that names the account; rows are numbered where it is omitted.

    Raises
    ------
    ConfigError
        If a column is not in the table, one is label and identifier at once, the value for those
        who left is not plain, or the folder holds anything that is not churnml's to build on or
        cannot be written.
    SourceError
        If the table cannot be read.
    """
    if identifier == label:
        raise ConfigError(
            f"{table}: column {label!r} cannot be both the label and the id, which is another for "
            "each account. Name the column of accounts, or none where there is none."
        )
    rows = flat.read(table, text=() if identifier is None else (identifier,))
    left = _positive(flat.values(rows, label, table), positive, f"{table}: column {label!r}")
    recipe = _slug(label)
    inside = table.resolve().is_relative_to(folder.resolve())
    home = table.resolve().relative_to(folder.resolve()) if inside else Path("data", table.name)
    contents = _texts(
        "table",
        name=toml_string(_name(folder)),
        title=_name(folder),
        recipe=recipe,
        table=home.as_posix(),
        label=label,
    )
    contents[f"training/{recipe}.toml"] = Template(_read(SCAFFOLDS / "table" / RECIPE)).substitute(
        file=toml_string(home.as_posix()),
        label=toml_string(label),
        positive=_toml_value(left),
        identifier="" if identifier is None else f"\nid = {toml_string(identifier)}",
    )
    contents["serving/tiers.toml"] = _tiers(flat.share(rows, label, left))
    with writing(folder):
        notes = _settle(folder, contents, table=table)
        written = _write(folder, contents)
        if not inside:
            (folder / home).parent.mkdir(exist_ok=True)
            shutil.copyfile(table, folder / home)
            written = (*written, folder / home)
    return Scaffold(
        folder=folder,
        written=written,
        notes=(f"{label} = {left} is taken for those who left.", *notes),
        next=(f"cd {shlex.quote(str(folder))}", f"churnml train {recipe}"),
    )


def toml_string(text: str) -> str:
    """Quote text as a TOML basic string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml_value(value: Any) -> str:
    """Write a label's value for a recipe: what is neither a truth nor a whole number, as text."""
    return json.dumps(value) if isinstance(value, bool | int) else toml_string(str(value))


def _positive(values: tuple[Any, ...], wanted: str | None, where: str) -> Any:
    """Which of the label's values stands for those who left."""
    if len(values) < 2:
        held = f"only {values[0]!r}" if values else "no value at all"
        raise ConfigError(f"{where} holds {held}; there is nothing to learn from.")
    by_text = {str(value): value for value in values}
    plain = [
        text for text, value in by_text.items() if value == 1 or text.strip().casefold() in YES
    ]
    if wanted is not None:
        if wanted not in by_text:
            raise ConfigError(f"{where} has no value {wanted!r}.{nearest(wanted, by_text)}")
    elif len(values) > 2 or len(plain) != 1:
        shown = ", ".join([*by_text][:8]) + (", …" if len(values) > 8 else "")
        raise ConfigError(
            f"{where} holds {shown}: which of them means that the account left is not plain. "
            f"Say so, for example with --positive {shlex.quote(next(iter(by_text)))}"
        )
    left = by_text[plain[0] if wanted is None else wanted]
    return int(left) if isinstance(left, float) and left.is_integer() else left


def _tiers(share: float) -> str:
    """Set risk tiers that part a table of which `share` left."""
    odds = share / (1 - share)
    bounds = {name: step * odds / (1 + step * odds) for name, step in STEPS.items()}
    # As many digits as it takes to keep them apart, and off 0 and 1.
    digits = next(
        n for n in range(2, 17) if len({0, 1, *(round(b, n) for b in bounds.values())}) == 5
    )
    shown = {name: f"{bound:.{digits}f}" for name, bound in bounds.items()}
    return Template(_read(SCAFFOLDS / "table" / TIERS)).substitute(share=f"{share:.1%}", **shown)


def _name(folder: Path) -> str:
    return folder.resolve().name or "project"


def _slug(text: str) -> str:
    """Make a file name of a column's name."""
    return re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_") or "churn"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _texts(kind: str, **values: str) -> dict[str, str]:
    """Fill the files of a scaffold."""
    return {
        RENAMED.get(path.name, path.name): Template(_read(path)).substitute(values)
        for path in sorted((SCAFFOLDS / kind).iterdir())
        if path.name not in {RECIPE, TIERS}
    }


def _settle(folder: Path, contents: dict[str, str], table: Path | None = None) -> tuple[str, ...]:
    """Make sure that nothing of the folder is lost; what it has of KEPT is taken out of `contents`.

    Returns
    -------
    tuple of str
        What is left as it was, for the maker to know.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is a file; a project is a folder.")
    present = sorted(folder.iterdir()) if folder.is_dir() else []
    foreign = [
        item.name
        for item in present
        if not item.name.startswith(".")
        and item.name not in HARMLESS
        and not (table is not None and table.resolve().is_relative_to(item.resolve()))
    ]
    clash = [name for name in contents if name not in KEPT and (folder / name).exists()]
    if foreign or clash:
        found = sorted({*foreign, *clash})
        shown = ", ".join(found[:5]) + (", …" if len(found) > 5 else "")
        raise ConfigError(
            f"{folder}: not empty: it holds {shown}. A project is made in a folder that is new, or "
            "holds nothing but dot files, a README and a LICENSE; nothing was written."
        )
    kept = [name for name in KEPT if (folder / name).exists()]
    for name in kept:
        del contents[name]
    notes = [f"{name} is there already and was left as it is." for name in kept]
    if ".gitignore" in kept and b"var/" not in (folder / ".gitignore").read_bytes().split():
        notes.append("Add var/ to your .gitignore: everything in it is generated.")
    return tuple(notes)


def _write(folder: Path, contents: dict[str, str]) -> tuple[Path, ...]:
    for name, text in sorted(contents.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tuple(folder / name for name in sorted(contents))
