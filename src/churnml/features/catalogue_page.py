"""The parts of ``docs/features.md`` that are written from the code and from ``features/``.

``python -m churnml.features.catalogue_page`` at the root of the repository writes them anew.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from churnml.config import FrozenModel
from churnml.errors import ConfigError
from churnml.features.catalogue import Catalogue, Feature, FeatureEntry, FeatureFile, read_catalogue
from churnml.history.tables import STANDARD

PAGE = Path("docs/features.md")


def written(page: str, catalogue: Catalogue) -> str:
    """Write the generated parts of the page anew.

    Parameters
    ----------
    page : str
        The page, each part between ``<!-- part -->`` and ``<!-- end -->``.
    catalogue : Catalogue
        The features that are shipped.

    Returns
    -------
    str
        The page with the parts as they should be.

    Raises
    ------
    ConfigError
        If the page has no place for a part.
    """
    parts = {
        "keys of a file": _keys(FeatureFile),
        "keys of a feature": _keys(FeatureEntry),
        "shipped features": _families(catalogue),
    }
    for name, lines in parts.items():
        begin, body = f"<!-- {name} -->\n", "\n".join(lines)
        place = re.compile(rf"{begin}.*?<!-- end -->", re.DOTALL)
        if len(place.findall(page)) != 1:
            raise ConfigError(f"{PAGE}: expected one '<!-- {name} -->' … '<!-- end -->'.")
        before, _, rest = page.partition(begin)
        _, end, after = rest.partition("<!-- end -->")
        page = f"{before}{begin}{body}\n{end}{after}"
    return page


def _keys(model: type[FrozenModel]) -> Iterator[str]:
    yield "| key | needed | meaning |"
    yield "| --- | --- | --- |"
    for name, field in model.model_fields.items():
        needed = "yes" if field.is_required() else ""
        yield f"| `{name}` | {needed} | {field.description} |"


def _families(catalogue: Catalogue) -> Iterator[str]:
    told = [feature for feature in catalogue.features if not feature.entry.internal]
    yield f"{len(told)} columns in {len(catalogue.titles)} families."
    for family, title in catalogue.titles.items():
        own = [feature for feature in told if feature.family == family]
        yield f"\n### {title}: `{family}`, {len(own)} columns\n"
        yield "| column | what it is | unit | risky | can be acted on |"
        yield "| --- | --- | --- | --- | --- |"
        for feature in own:
            yield _row(feature)


def _row(feature: Feature) -> str:
    entry = feature.entry
    risky = "" if entry.risk == "either" else entry.risk + (", monotone" if entry.monotone else "")
    acted = "yes" if entry.actionable else ""
    return f"| `{feature.name}` | {feature.description} | {entry.unit} | {risky} | {acted} |"


if __name__ == "__main__":
    shipped = read_catalogue(sorted(Path("features").glob("*.toml")), STANDARD)
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), shipped), encoding="utf-8")
    sys.stdout.write(f"{PAGE} written\n")
