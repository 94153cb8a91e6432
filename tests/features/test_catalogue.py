"""What the catalogue says of a feature, and of every way to declare one wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest

from churnml.errors import ConfigError, FeatureError
from churnml.features.catalogue import Catalogue, Omission, read_catalogue
from churnml.features.entries import RESERVED
from churnml.features.facts import compile_catalogue
from churnml.features.table import META
from churnml.history.tables import STANDARD, Column, Kind, Table

HEAD = 'family = "usage"\ntitle = "Product use"\n'
TOLD = 'description = "d"\nunit = "events"\nsentence = "s"\n'


def feature(name: str, body: str, told: str = TOLD) -> str:
    return f'[[feature]]\nname = "{name}"\n{told}{body}\n'


EVENTS = feature("events_{w}d", 'table = "usage"\naggregate = "count"\nwindows = [7, 28]')
USES = 'table = "usage"\naggregate = "count"'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "features"


def read(folder: Path, **files: str) -> Catalogue:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return read_catalogue(sorted(folder.glob("*.toml")), STANDARD)


def fault(folder: Path, *entries: str) -> str:
    with pytest.raises(ConfigError) as raised:
        read(folder, usage=HEAD + "".join(entries))
    return str(raised.value).replace(f"{folder / 'usage.toml'}: ", "")


def without(table: str, *columns: str) -> dict[str, Table]:
    contract = STANDARD[table]
    kept = tuple(c for c in contract.columns if not {c.name, c.known} & set(columns))
    return {
        **STANDARD,
        table: Table(contract.name, contract.doc, contract.key, contract.time, kept),
    }


def test_an_entry_stands_for_a_column_a_window(folder: Path) -> None:
    catalogue = read(
        folder,
        usage=HEAD
        + EVENTS
        + feature(
            "events_prev_{w}d",
            f'{USES}\nwindows = [7]\noffset = "w"\nminimum = 0\nmaximum = "w"\nrisk = "low"\n'
            "monotone = true",
            'description = "in {w} days"\nunit = "events"\nsentence = "{value} in {w} days"\n',
        ),
    )

    assert catalogue.columns == ("events_7d", "events_28d", "events_prev_7d")
    before = catalogue.get("events_prev_7d")
    assert (before.family, before.window, before.offset) == ("usage", 7, 7)
    assert (before.bounds, before.monotone) == ((0.0, 7), -1)
    assert before.description == "in 7 days"
    assert before.fill(before.entry.sentence) == "{value} in 7 days"
    assert catalogue.get("events_7d").monotone == 0
    assert catalogue.titles == {"usage": "Product use"}


def test_internal_features_become_no_column(folder: Path) -> None:
    inner = feature("uses", USES + "\ninternal = true", told='description = "d"\nunit = "events"\n')
    catalogue = read(folder, usage=HEAD + inner + feature("twice", 'formula = "2 * uses"'))

    assert catalogue.columns == ("twice",)
    assert [f.name for f in catalogue.features] == ["uses", "twice"]


def test_a_family_may_stand_in_two_files(folder: Path) -> None:
    more = HEAD + feature("uses", USES)
    catalogue = read(folder, a=HEAD + EVENTS, b=more)

    assert catalogue.columns == ("events_7d", "events_28d", "uses")
    with pytest.raises(ConfigError, match=r"b\.toml: family 'usage' is titled 'Use' here and 'Pro"):
        read(folder, b=more.replace("Product use", "Use"))


def test_the_fingerprint_moves_with_what_decides_a_value(folder: Path) -> None:
    first = read(folder, usage=HEAD + EVENTS)
    same = read(folder, usage=HEAD + EVENTS + "\n# a comment\n")
    other = read(folder, usage=HEAD + EVENTS.replace("[7, 28]", "[7, 30]"))

    assert first.fingerprint == same.fingerprint
    assert first.fingerprint != other.fingerprint


def test_select_keeps_what_formulas_read(folder: Path) -> None:
    catalogue = read(
        folder,
        usage=HEAD
        + EVENTS
        + feature("change", 'formula = "events_7d - events_28d / 4"')
        + feature("season", 'formula = "change * cutoff_month"'),
    )

    assert catalogue.select(["season"]).columns == ("events_7d", "events_28d", "change", "season")
    with pytest.raises(FeatureError, match=r"no feature 'seasons'\. Did you mean 'season'"):
        catalogue.select(["seasons"])


def test_what_history_lacks_is_left_out_with_all_that_reads_it(folder: Path) -> None:
    catalogue = read(
        folder,
        usage=HEAD
        + feature("people", 'table = "usage"\naggregate = "distinct"\nvalue = "contact_id"')
        + feature("more", 'formula = "people + 1"')
        + feature("uses", USES)
        + feature("answers", 'table = "surveys"\naggregate = "count"\nat = "responded_at"'),
    )
    contracts = without("usage", "contact_id")
    del contracts["surveys"]

    kept, omitted = catalogue.available(contracts)

    assert kept.columns == ("uses",)
    assert omitted == (
        Omission("people", "table 'usage' has no contact_id"),
        Omission("more", "people: table 'usage' has no contact_id"),
        Omission("answers", "no table 'surveys'"),
    )
    _, omitted = catalogue.available(without("surveys", "responded_at"))
    assert omitted == (Omission("answers", "table 'surveys' has no responded_at"),)


def test_absent_stands_in_for_columns_but_not_for_a_table(folder: Path) -> None:
    ended = feature(
        "ended", 'table = "subscriptions"\naggregate = "count"\nat = "terminated_at"\nabsent = 0'
    )
    catalogue = read(folder, usage=HEAD + ended + feature("kept", 'formula = "1 - ended"'))
    contracts = without("subscriptions", "terminated_at")

    kept, omitted = catalogue.available(contracts)

    assert (kept.columns, omitted) == (("ended", "kept"), ())
    assert kept.get("ended").entry.formula == "0.0"
    assert kept.fingerprint != catalogue.fingerprint
    assert compile_catalogue(kept, contracts).facts == {}
    del contracts["subscriptions"]
    assert [item.feature for item in catalogue.available(contracts)[1]] == ["ended", "kept"]


def test_a_table_of_the_users_own_is_used_at_once(folder: Path) -> None:
    visits = Table(
        "visits",
        "A visit.",
        (),
        "at",
        (
            Column("account_id", Kind.ID, "whose", required=True),
            Column("at", Kind.TIME, "when", required=True),
        ),
    )
    folder.mkdir()
    file = folder / "visits.toml"
    file.write_text(
        HEAD + feature("visits_{w}d", 'table = "visits"\naggregate = "count"\nwindows = [91]'),
        encoding="utf-8",
    )

    assert read_catalogue([file], {**STANDARD, "visits": visits}).columns == ("visits_91d",)


def test_every_fault_is_told_at_once(folder: Path) -> None:
    told = fault(folder, feature("a", 'formula = "b"'), feature("c", 'formula = "d"'))

    assert told == (
        "feature 'a': formula 'b' reads 'b': no such feature. Expected one of: cutoff_month.\n"
        "feature 'c': formula 'd' reads 'd': no such feature. Expected one of: a, cutoff_month."
    )


def test_names_that_a_training_table_needs_are_taken() -> None:
    assert set(META) < set(RESERVED)


TICKETS = 'table = "tickets"\naggregate = '


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("", "exactly one of aggregate, formula, function is expected, got none."),
        (USES + '\nformula = "1"', "is expected, got ['aggregate', 'formula']."),
        ('aggregate = "count"', "an aggregate reads a table, and a table needs an aggregate."),
        ('formula = "1"\ntable = "usage"', "an aggregate reads a table, and a table needs"),
        (USES + "\nwindows = [7]", "a name with {w} needs windows, and windows need {w} in"),
        (USES + '\nwhere = "quantity > {w}"', "{w} in a text needs windows."),
        (USES + "\noffset = 7", "an offset needs windows."),
        (USES + "\nwindow = [7]", "unknown key 'window'. Did you mean 'windows'?"),
        (USES + '\nunit_ = "x"', "unknown key 'unit_'. Did you mean 'unit'?"),
        (USES + "\nwindows = 7", "key 'windows': got 7: Input should be a valid"),
        (
            USES + '\nrisk = "up"',
            "key 'risk': got 'up': Input should be 'high', 'low' or 'either'.",
        ),
        (USES + "\nmonotone = true", 'a monotone feature needs risk = "high" or "low".'),
        (USES + "\nminimum = 2\nmaximum = 1", "minimum = 2.0 is above maximum = 1.0."),
        (USES + '\nmaximum = "w"', 'a bound of "w" needs windows.'),
        (USES.replace("count", "median"), "key 'aggregate': got 'median': Input should be 'count'"),
        (TICKETS + '"sum"', "sum needs a value."),
        (TICKETS + '"last"', "last needs a value."),
        (TICKETS + '"distinct"', "distinct needs a value, the column whose values are told"),
        (TICKETS + '"share"', "share needs hit, the condition whose share is taken, and only"),
        (TICKETS + '"count"\nhit = "csat > 3"', "share needs hit, the condition whose share is"),
        (TICKETS + '"streak"', "streak needs breaks, the condition that ends it, and only streak"),
        (TICKETS + '"distinct_days"', "distinct_days needs windows."),
        ('formula = "1"\nwhere = "true"\nabsent = 0', "where, absent belong to an aggregate."),
        ('formula = "1"\noffset = 7', "an offset needs windows."),
        ('function = "acme"', "key 'function': got 'acme': String should match pattern"),
    ],
)
def test_what_an_entry_may_not_say(folder: Path, body: str, told: str) -> None:
    found = fault(folder, feature("x", body))

    assert found.startswith("feature 'x': ")
    assert told in found


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (USES, "a name with {w} needs windows, and windows need {w} in the name."),
        (USES + "\nwindows = [0]", "windows must be different whole numbers of days above zero."),
        (USES + "\nwindows = [7, 7]", "windows must be different whole numbers of days above"),
        (USES + "\nwindows = [7]\noffset = -1", "an offset must not be negative."),
        (TICKETS + '"days_since_last"\nwindows = [7]', "days_since_last takes no windows."),
        (
            TICKETS + '"last"\nvalue = "csat"\nwindows = [7]\noffset = "w"',
            "last takes no offset.",
        ),
        ('formula = "1"\nwindows = [7]\noffset = "w"', "offset belong to an aggregate."),
        ('function = "a:b"\nwindows = [7]', "a function takes no windows; declare a feature for"),
    ],
)
def test_what_an_entry_with_windows_may_not_say(folder: Path, body: str, told: str) -> None:
    assert told in fault(folder, feature("x_{w}d", body))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('table = "usages"\naggregate = "count"', "no table 'usages'. Did you mean 'usage'?"),
        (
            'table = "outcomes"\naggregate = "count"',
            "table 'outcomes' is read by labels alone; a feature may not use it.",
        ),
        (
            USES + "\nwhere = \"evnt = 'login'\"",
            "expression \"evnt = 'login'\": no column 'evnt'. Did you mean 'event'?",
        ),
        (
            TICKETS + '"count"\nat = "resolvd_at"',
            "table 'tickets' has no column 'resolvd_at'. Did you mean 'resolved_at'?",
        ),
        (TICKETS + '"count"\nat = "csat"', "at = 'csat' is not a time of table 'tickets'."),
        (TICKETS + '"count"\nwhere = "csat"', "where = 'csat' is not a condition."),
        (TICKETS + '"share"\nhit = "csat"', "hit = 'csat' is not a condition."),
        (
            TICKETS + '"count"\nwhere = "csat > \'4\'"',
            "expression \"csat > '4'\": \"csat > '4'\" compares a number with a string.",
        ),
        (TICKETS + '"count"\nwhere = "csat >"', "expression 'csat >' cannot be parsed: "),
        (
            TICKETS + '"sum"\nvalue = "round(csat)"',
            "expression 'round(csat)': 'ROUND(csat)' (Round) is not allowed. Expected columns",
        ),
        (
            TICKETS + '"mean"\nvalue = "weeks_between(opened_at, csat_at)"',
            "no function 'weeks_between'. Did you mean 'days_between'?",
        ),
        (
            TICKETS + '"sum"\nvalue = "priority"',
            "sum of 'priority', a string; expected a number.",
        ),
        (TICKETS + '"mean"\nvalue = "csat_at"', "mean of 'csat_at', a time; expected a number."),
        (
            TICKETS + '"max"\nvalue = "priority"',
            "max of 'priority', a string; expected a number or a time.",
        ),
        (
            TICKETS + '"distinct"\nvalue = "csat"',
            "distinct of 'csat', a number; expected a string or an id.",
        ),
        (
            TICKETS + '"distinct"\nvalue = "coalesce(csat, 0)"',
            "distinct of 'coalesce(csat, 0)'; expected the name of one column.",
        ),
        (
            TICKETS + '"last"\nvalue = "priority"\nminimum = 0',
            "minimum of a string; only numbers have an order. Take it away.",
        ),
        (
            TICKETS + '"last"\nvalue = "priority"\nrisk = "high"\nmonotone = true',
            "monotone of a string; only numbers have an order. Take it away.",
        ),
        ('formula = "x + 1"', "formula 'x + 1' reads 'x', which is not declared before it; files"),
        (
            'formula = "later"',
            "the order of their names, each from its top. Declare it earlier.",
        ),
        ('formula = "event_7d"', "reads 'event_7d': no such feature. Did you mean 'events_7d'?"),
        ('formula = "events_7d > 3"', "formula 'events_7d > 3' is not a number."),
        ('formula = "plan + 1"', "expression 'plan + 1': 'plan' is a string; expected a number."),
    ],
)
def test_what_cannot_be_computed(folder: Path, body: str, told: str) -> None:
    plan = feature("plan", 'table = "subscriptions"\naggregate = "last"\nvalue = "plan"')
    later = feature("later", USES)

    found = fault(folder, EVENTS, plan, feature("x", body), later)

    assert found.startswith("feature 'x': ")
    assert told in found


def test_formulas_that_read_each_other_are_told(folder: Path) -> None:
    told = fault(folder, feature("a", 'formula = "b"'), feature("b", 'formula = "a"'))

    assert told.startswith("feature 'a': formula 'b' reads 'b', which is not declared before it;")
    assert "feature 'b'" not in told


def test_a_formula_may_not_read_a_later_file(folder: Path) -> None:
    early = HEAD + feature("rate", 'formula = "events_7d / 7"')
    with pytest.raises(ConfigError, match=r"a\.toml: feature 'rate': .* not declared before it"):
        read(folder, a=early, b=HEAD + EVENTS)

    assert read(folder, a=HEAD + EVENTS, b=early).columns[-1] == "rate"


def test_a_name_is_declared_once(folder: Path) -> None:
    told = fault(folder, EVENTS, feature("events_7d", USES))

    assert told == f"feature 'events_7d': declared before, in {folder / 'usage.toml'}."


@pytest.mark.parametrize("name", ["label", "cutoff_month"])
def test_a_name_that_is_taken(folder: Path, name: str) -> None:
    assert "the name is taken; account_id, cutoff, label," in fault(folder, feature(name, USES))


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("{evnts_7d} events", "sentence reads 'evnts_7d'. Did you mean 'events_7d'?"),
        ("{hidden} events", "sentence reads 'hidden', which is internal and so in no table."),
        ("{later} events", "sentence reads 'later'."),
        ("{} events", "a field is {value} or the bare name of a feature"),
        ("{value:.1f} events", "a field is {value} or the bare name of a feature"),
        ("{value!r} events", "a field is {value} or the bare name of a feature"),
        ("{value events", "expected '}' before end of string. Write {{ for a brace."),
    ],
)
def test_what_a_sentence_may_not_say(folder: Path, sentence: str, told: str) -> None:
    hidden = feature("hidden", USES + "\ninternal = true")
    one = feature("x", USES, TOLD.replace('"s"', f'"{sentence}"'))

    found = fault(folder, EVENTS, hidden, one, feature("later", USES))

    assert found.startswith("feature 'x': ")
    assert told in found


def test_a_sentence_may_name_columns_before_it_and_itself(folder: Path) -> None:
    one = feature("x", USES, TOLD.replace('"s"', '"{value} or {x}, {events_7d} in a {{week}}"'))

    assert read(folder, usage=HEAD + EVENTS + one).columns[-1] == "x"


def test_missing_has_nothing_to_fill_in(folder: Path) -> None:
    one = feature("x", USES + '\nmissing = "never in {value} days"')

    assert "missing reads 'value'; it is told where there is no value." in fault(folder, one)


def test_a_visible_feature_needs_a_sentence(folder: Path) -> None:
    told = fault(folder, feature("x", USES, 'description = "d"\nunit = "events"\n'))

    assert told.endswith("a feature needs the sentence that explains it (or internal = true).")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title = 'x'\n", "key 'family' is required and is missing."),
        (HEAD + "features = []\n", "unknown key 'features'. Did you mean 'feature'?"),
        (HEAD + 'feature = "x"\n', "key 'feature': got 'x': Input should be a valid"),
        (HEAD + "feature = [1]\n", "key 'feature.0': got 1: Input should be"),
        (HEAD + '[[feature]]\nunit = "x"\n', "feature '(unnamed)': key 'name' is required and is"),
        (HEAD.replace("usage", "Usage"), "key 'family': got 'Usage': String should match pattern"),
    ],
)
def test_what_a_file_may_not_say(folder: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(folder, usage=text)

    assert str(raised.value).startswith(f"{folder / 'usage.toml'}: ")
    assert told in str(raised.value)


def test_an_unknown_feature_is_told_with_the_nearest(folder: Path) -> None:
    catalogue = read(folder, usage=HEAD + EVENTS)

    with pytest.raises(FeatureError, match=r"no feature 'event_7d'. Did you mean 'events_7d'\?"):
        catalogue.get("event_7d")
