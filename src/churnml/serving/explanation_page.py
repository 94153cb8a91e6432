"""The page of an explanation: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from xml.etree.ElementTree import Element

from churnml.errors import ConfigError
from churnml.explain.change import Change
from churnml.explain.counterfactual import Counterfactual, Lowered
from churnml.explain.reasons import LEAST_TOLD, Reason, logistic, probability_shares
from churnml.explain.waterfall import DARK, LIGHT, bars, signed, waterfall
from churnml.history.store import workplace
from churnml.labels import ColumnLabel
from churnml.serving.explanation import Explanation
from churnml.serving.markup import document, facts, table, tag
from churnml.serving.peers import Beside
from churnml.serving.scores import Scored
from churnml.training.bundle import Bundle

STYLE = "explanation_page.css"
_DIGITS = 12  # of a fingerprint
_COLUMNS = (
    ("reason", None),
    ("what is known", None),
    ("log-odds", "number"),
    ("points", "number"),
    ("actionable", "mark"),
)


@dataclass(frozen=True)
class Origin:
    """What a score comes from.

    Parameters
    ----------
    recipe, role, bundle : str
        The model: what it was trained by, as what it was chosen, and its id.
    catalogue : str
        Fingerprint of its features.
    version : str
        The churnml that trained it.
    learned_until : datetime or None
        When the last label that it learned from was known, UTC.
    asked : str
        What the probability is of.
    given : tuple of str
        What it takes for granted.
    """

    recipe: str
    role: str
    bundle: str
    catalogue: str
    version: str
    learned_until: dt.datetime | None
    asked: str
    given: tuple[str, ...] = ()

    @classmethod
    def of(cls, bundle: Bundle, role: str) -> Origin:
        """Tell of a bundle."""
        said = bundle.manifest
        label = said.label
        asked = "churn"
        if not isinstance(label, ColumnLabel):
            lead = f", {label.lead_days} days ahead" if label.lead_days else ""
            asked = f"churn within {label.horizon_days} days{lead}"
        return cls(
            recipe=said.name,
            role=role,
            bundle=bundle.id,
            catalogue=said.training.fingerprints["catalogue"],
            version=said.training.churnml,
            learned_until=said.learned_until,
            asked=asked,
            given=() if isinstance(label, ColumnLabel) else label.given,
        )


def write_page(
    found: Explanation, origin: Origin, path: Path, *, earlier: Origin | None = None
) -> None:
    """Write an explanation as a page; a file that is there is replaced, by all of it or not at all.

    Parameters
    ----------
    found : Explanation
        What to tell.
    origin : Origin
        What it comes from.
    path : Path
        The file.
    earlier : Origin, optional
        What the earlier score comes from, if not from the same.

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    text = page(found, origin, earlier=earlier)
    try:
        with workplace(path) as work:
            beside = work / path.name
            beside.write_text(text, encoding="utf-8")
            beside.replace(path)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written: {error.strerror or error}. Name another file, or grant "
            "access and free space there."
        ) from error


def page(found: Explanation, origin: Origin, *, earlier: Origin | None = None) -> str:
    """Write an explanation as HTML; the same explanation gives the same page.

    Parameters
    ----------
    found : Explanation
        What to tell.
    origin : Origin
        What it comes from.
    earlier : Origin, optional
        What the earlier score comes from, if not from the same.
    """
    item = found.score
    parts = [_score(item, origin)]
    if found.earlier is not None:
        parts += _hindsight(earlier or origin, found.earlier.cutoff)
    parts += [*_hindsight(origin, item.cutoff), *_reasons(item)]
    if found.earlier is not None and found.change is not None:
        parts += _changed(found.earlier, found.change, earlier)
    if found.beside is not None:
        parts += _beside(found.beside)
    if found.lower is not None:
        parts += _lower(found.lower)
    title = f"{item.account_id}: {item.probability:.0%} {origin.asked}"
    style = (resources.files(__package__) / STYLE).read_text("utf-8")
    return document(title, style, *parts, _origin(item, origin))


def _score(item: Scored, origin: Origin) -> Element:
    told = [] if item.cutoff is None else [("as of", _when(item.cutoff))]
    if item.arr is not None:
        told.append(("annual recurring revenue", f"{item.arr:,.0f}"))
    told += [("taken for granted", given) for given in origin.given]
    lines = [
        tag("h1", tag("bdi", item.account_id)),
        tag("p", tag("strong", f"{item.probability:.0%}"), f" {_scored(item)}", kind="score"),
        tag("p", f"Probability of {origin.asked}.", kind="quiet"),
        facts(told),
    ]
    if item.thin is not None:
        why = f"Too little history to go by, drawn to the rate of its segment: {item.thin}."
        lines.append(tag("p", why, kind="note"))
    return tag("header", *lines)


def _hindsight(origin: Origin, moment: dt.datetime | None) -> list[Element]:
    """Say so where a model learned what came after the time that it is asked about."""
    learned = origin.learned_until
    if moment is None or learned is None or moment >= learned:
        return []
    said = (
        f"The model learned what was known by {learned:%Y-%m-%d}, after {_when(moment)}: what it "
        "says of then is better than any that could have been had."
    )
    return [tag("p", said, kind="note")]


def _reasons(item: Scored) -> list[Element]:
    told = bars(item.reasons)
    light, dark = (_inline(waterfall(item.base, told, theme)) for theme in (LIGHT, DARK))
    alt = (
        f"Waterfall of {len(told)} bars from log-odds of {signed(item.base)}, if nothing were "
        f"known of the account, to {signed(item.log_odds)}. The tables below tell the same."
    )
    picture = tag(
        "picture",
        tag("source", srcset=dark, media="screen and (prefers-color-scheme: dark)"),
        tag("img", src=light, alt=alt),
    )
    summary = (
        f"{logistic(item.base):.1%} if nothing were known of it, log-odds of {signed(item.base)}. "
        f"With all reasons, log-odds of {signed(item.log_odds)}: they add up. Points are "
        "percentage points of the probability."
    )
    return [
        tag("h2", "Why"),
        tag("p", summary),
        tag("figure", picture, tabindex="0", **{"aria-label": "waterfall of the reasons"}),
        *_tables(item.reasons, item.base, "Raises the risk", "Lowers the risk"),
    ]


def _changed(earlier: Scored, change: Change, origin: Origin | None) -> list[Element]:
    by = "" if origin is None else f" by {_model(origin)}"
    was = f"{earlier.probability:.0%} {_scored(earlier)}{by}"
    return [
        tag("h2", f"What changed since {_when(earlier.cutoff)}"),
        tag("p", f"It was {was}. The log-odds moved by {signed(change.difference)}."),
        *_tables(change.told, change.earlier, "Raised the risk", "Lowered the risk"),
    ]


def _beside(beside: Beside) -> list[Element]:
    """Tell what sets the account apart from its peers."""
    summary = (
        f"They share {beside.of}, and come to {logistic(beside.base):.1%} in the mean of their "
        "log-odds. What sets the account apart from them:"
    )
    return [
        tag("h2", f"Beside {beside.peers:,} peers"),
        tag("p", summary),
        *_tables(beside.told, beside.base, "Raises the risk beside them", "Lowers it beside them"),
    ]


def _tables(reasons: Sequence[Reason], base: float, raising: str, lowering: str) -> list[Element]:
    """Lay out reasons, those that raise the risk apart from those that lower it."""
    shares = probability_shares([reason.contribution for reason in reasons], base)
    pairs = [pair for pair in zip(reasons, shares, strict=True) if pair[0].contribution]
    told = []
    for caption, raises in ((raising, True), (lowering, False)):
        ours = [pair for pair in pairs if (pair[0].contribution > 0) is raises]
        if ours:
            kind = "raises" if raises else "lowers"
            told.append(table(caption, _COLUMNS, _rows(ours), kind=kind))
    return told or [tag("p", "No reason moves it.")]


def _rows(pairs: Sequence[tuple[Reason, float]]) -> list[tuple[str, ...]]:
    """Write a row for each reason, and one for all that are too small."""
    rows: list[tuple[str, ...]] = [
        (
            reason.title,
            reason.sentence,
            signed(reason.contribution),
            _points(share),
            "yes" if reason.actionable else "",
        )
        for reason, share in pairs
        if abs(reason.contribution) >= LEAST_TOLD
    ]
    small = [pair for pair in pairs if abs(pair[0].contribution) < LEAST_TOLD]
    if small:
        total = math.fsum(reason.contribution for reason, _ in small)
        share = math.fsum(share for _, share in small)
        name = "1 smaller one" if len(small) == 1 else f"{len(small)} smaller ones"
        rows.append((name, "", signed(total), _points(share), ""))
    return rows


def _lower(found: Counterfactual) -> list[Element]:
    told = [tag("h2", "What would help"), tag("p", found.sentence)]
    if found.lowered is not None:
        told.append(_moves(found.lowered))
    return told


def _moves(lowered: Lowered) -> Element:
    rows = [
        (change.title, move.now, move.then) for change in lowered.changes for move in change.moves
    ]
    caption = f"What goes with {lowered.probability:.1%} ({lowered.tier})"
    return table(caption, (("of", None), ("now", None), ("with it", None)), rows)


def _origin(item: Scored, origin: Origin) -> Element:
    told = [] if item.cutoff is None else [("as of", _when(item.cutoff))]
    told += [
        ("model", _model(origin)),
        ("catalogue", origin.catalogue[:_DIGITS]),
        ("churnml", origin.version),
    ]
    if origin.learned_until is not None:
        told.append(("learned what was known by", _when(origin.learned_until)))
    why = "A reason says what moved the score, not what would change the customer's mind."
    return tag("footer", tag("h2", "Where this comes from"), facts(told), tag("p", why))


def _model(origin: Origin) -> str:
    return f"{origin.recipe}, {origin.role} {origin.bundle[:_DIGITS]}"


def _scored(item: Scored) -> str:
    return f"({item.level:.0%} within {item.low:.0%}–{item.high:.0%}), {item.tier.value}"


def _when(moment: dt.datetime | None) -> str:
    return "no time" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def _points(share: float) -> str:
    return f"{share * 100:+.1f}".replace("-", "−")


def _inline(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}"
