"""What can be acted on of a small company, for the tests of what would lower the risk."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent

import pytest

from churnml.features.catalogue import Catalogue, read_catalogue
from churnml.history.tables import STANDARD

USAGE = """
family = "usage"
title = "Use"

[[feature]]
name = "active_days_{w}d"
table = "usage"
aggregate = "distinct_days"
windows = [7, 28]
description = "Days with use in {w} days"
unit = "days"
minimum = 0
maximum = "w"
risk = "low"
actionable = true
sentence = "active on {value} of {w} days"

[[feature]]
name = "active_days_prev_{w}d"
table = "usage"
aggregate = "distinct_days"
windows = [28]
offset = "w"
description = "Days with use in the {w} days before"
unit = "days"
sentence = "active on {value} of the {w} days before"

[[feature]]
name = "active_days_change_{w}d"
formula = "active_days_{w}d - active_days_prev_{w}d"
windows = [28]
description = "Change of them"
unit = "days"
risk = "low"
actionable = true
sentence = "active days went from {active_days_prev_{w}d} to {active_days_{w}d}"
"""

SUPPORT = """
family = "support"
title = "Support"

[[feature]]
name = "tickets_{w}d"
table = "tickets"
aggregate = "count"
windows = [91]
description = "Tickets in {w} days"
unit = "tickets"
sentence = "tickets in {w} days: {value}"

[[feature]]
name = "urgent_tickets_{w}d"
table = "tickets"
aggregate = "count"
where = "priority = 'urgent'"
windows = [91]
description = "Urgent tickets in {w} days"
unit = "tickets"
risk = "high"
monotone = true
actionable = true
sentence = "urgent tickets in {w} days: {value}"

[[feature]]
name = "csat_last"
table = "tickets"
aggregate = "last"
value = "csat"
description = "Latest rating"
unit = "points"
minimum = 1
maximum = 5
risk = "low"
actionable = true
sentence = "last rated support with {value} of 5"
missing = "never rated support"
"""

PLAN = """
family = "plan"
title = "Plan"

[[feature]]
name = "plan"
table = "subscriptions"
aggregate = "last"
value = "plan"
description = "The plan"
unit = "name"
sentence = "is on the plan {value}"
"""


@pytest.fixture(scope="session")
def acting(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Declare use, support and the plan; the plan, tickets and earlier days cannot be acted on."""
    folder = tmp_path_factory.mktemp("acting")
    paths = []
    for name, text in (("usage", USAGE), ("support", SUPPORT), ("plan", PLAN)):
        paths.append(folder / f"{name}.toml")
        paths[-1].write_text(dedent(text), encoding="utf-8")
    return read_catalogue(paths, STANDARD)


@pytest.fixture(scope="session")
def acting_on_plans(acting: Catalogue) -> Catalogue:
    """Let somebody change the plan as well, which is text."""
    features = [
        replace(feature, entry=feature.entry.model_copy(update={"actionable": True}))
        if feature.name == "plan"
        else feature
        for feature in acting.features
    ]
    return Catalogue(tuple(features), acting.titles)
