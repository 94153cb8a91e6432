"""The data contract: each table's key, event time, and when every column becomes known.

A row is known at its ``recorded_at`` where that is given, else at its event time. A column is known
with its row unless its contract names another time column: a ticket's ``csat`` is known at
``csat_at``, its ``resolved_at`` at itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from churnml.errors import ConfigError, nearest

RECORDED_AT = "recorded_at"
ACCOUNT_ID = "account_id"


class Kind(StrEnum):
    """The type of a column's values, and how clean history stores them."""

    ID = "id"  # string
    STRING = "string"
    NUMBER = "number"  # float64
    INTEGER = "integer"  # int64
    BOOLEAN = "boolean"
    TIME = "time"  # timestamp in microseconds, UTC


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name : str
        Its name in clean history.
    kind : Kind
        The type of its values.
    doc : str
        What it says, with its unit.
    known : str, optional
        The time column at which the value becomes known; with its row when omitted.
    required : bool
        Whether a row without a value is faulty.
    minimum, maximum : float, optional
        Bounds outside which a number is impossible.
    choices : tuple of str
        The allowed strings; any when empty.
    after : str, optional
        A time column of the same row that this time may not precede.
    """

    name: str
    kind: Kind
    doc: str
    known: str | None = None
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    after: str | None = None


@dataclass(frozen=True)
class Table:
    """One table of history.

    Parameters
    ----------
    name : str
        The table's name.
    doc : str
        What one row is.
    key : tuple of str
        The columns that identify a row; empty where rows have no identity (raw events).
    time : str
        The event time: when what the row tells of happened, or for a term begins.
    columns : tuple of Column
        Every column, ``account_id`` and `time` among them.
    dimension : str, optional
        The string column by which events are told apart; aggregated beside the segment in one
        scan, so that filters on it cost nothing.
    scheduled : bool
        Whether `time` may lie in the future (a term that is booked to start).
    label_only : bool
        Whether features may never read the table, only labels.
    replaced : str, optional
        The time column at which a later version takes a row's place. Rows are then versions of one
        another where they agree in all of `key` but ``recorded_at``, and at any cutoff the one
        that stood then counts, however much later it was corrected.
    """

    name: str
    doc: str
    key: tuple[str, ...]
    time: str
    columns: tuple[Column, ...]
    dimension: str | None = None
    scheduled: bool = False
    label_only: bool = False
    replaced: str | None = None

    def __post_init__(self) -> None:
        names = self.names
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ConfigError(f"table {self.name!r}: columns declared twice: {', '.join(twice)}.")
        required = (ACCOUNT_ID, self.time, *self.key, *filter(None, [self.dimension]))
        for name in required:
            self.column(name)
        for column in self.columns:
            for role, other in (("known", column.known), ("after", column.after)):
                if other is not None and self.column(other).kind is not Kind.TIME:
                    raise ConfigError(
                        f"table {self.name!r}: column {column.name!r} has {role} = {other!r}, "
                        f"which is of kind {self.column(other).kind}; expected a time column."
                    )
            self._check_allowed(column)
        if self.column(self.time).kind is not Kind.TIME:
            raise ConfigError(f"table {self.name!r}: its time {self.time!r} is not a time column.")
        self._check_versions()

    def _check_versions(self) -> None:
        """Refuse versions that nothing tells apart, or that replace each other unknown."""
        if self.replaced is None:
            return
        if self.column(self.replaced).known != self.replaced:
            raise ConfigError(
                f"table {self.name!r}: {self.replaced!r} ends a version, so it has to be known "
                "when it has come: give it known = its own name."
            )
        if RECORDED_AT not in self.key or len(self.key) == 1 or self.scheduled:
            raise ConfigError(
                f"table {self.name!r} holds versions; its key has to be what they share and "
                f"{RECORDED_AT!r}, and its rows may not be scheduled."
            )

    @property
    def identity(self) -> tuple[str, ...]:
        """The key without ``recorded_at``, where rows are versions: what they share."""
        return tuple(name for name in self.key if name != RECORDED_AT)

    def _check_allowed(self, column: Column) -> None:
        """Refuse bounds and choices that no value could be judged by."""
        where = f"table {self.name!r}: column {column.name!r}"
        bounds = [bound for bound in (column.minimum, column.maximum) if bound is not None]
        if bounds and column.kind not in (Kind.NUMBER, Kind.INTEGER):
            raise ConfigError(f"{where} is of kind {column.kind}; only a number has bounds.")
        if bounds != sorted(bounds):
            raise ConfigError(
                f"{where}: its minimum {column.minimum:g} is above its maximum {column.maximum:g}."
            )
        if column.choices and column.kind not in (Kind.STRING, Kind.ID):
            raise ConfigError(f"{where} is of kind {column.kind}; only a text has choices.")
        if column.after is not None and column.kind is not Kind.TIME:
            raise ConfigError(f"{where} is of kind {column.kind}; only a time comes after another.")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns, in order."""
        return tuple(column.name for column in self.columns)

    def has(self, name: str) -> bool:
        """Whether the table has a column of that name."""
        return name in self.names

    def column(self, name: str) -> Column:
        """Look up a column.

        Raises
        ------
        ConfigError
            If the table has no such column, with the nearest name.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise ConfigError(f"table {self.name!r} has no column {name!r}.{nearest(name, self.names)}")


SENTIMENTS = ("positive", "neutral", "concerned", "negative", "hostile")
PRIORITIES = ("low", "medium", "high", "critical")


def _id(name: str, doc: str, *, required: bool = False) -> Column:
    return Column(name, Kind.ID, doc, required=required)


def _string(name: str, doc: str, *, known: str | None = None) -> Column:
    return Column(name, Kind.STRING, doc, known=known)


def _time(name: str, doc: str, *, after: str | None = None) -> Column:
    """A time that is known when it has come: it says of itself when it became known."""
    return Column(name, Kind.TIME, doc, known=name, after=after)


def _event(name: str, doc: str) -> Column:
    return Column(name, Kind.TIME, doc, required=True)


_ACCOUNT = _id(ACCOUNT_ID, "the account the row belongs to", required=True)
_RECORDED = Column(
    RECORDED_AT,
    Kind.TIME,
    "when the row reached the system, or for a booking when it was made; the event time if absent",
)

ACCOUNTS = Table(
    name="accounts",
    doc="What the CRM said of an account from `recorded_at` on; a change is a further row.",
    key=(ACCOUNT_ID, RECORDED_AT),
    time="created_at",
    columns=(
        _ACCOUNT,
        _event("created_at", "when the account came to exist"),
        _RECORDED,
        _string("name", "the account's name, for people to read"),
        _string("industry", "the branch the account works in"),
        _string("country", "the country it is billed in"),
        _string("channel", "how it was won"),
        _string("owner", "who looks after it"),
        Column("employees", Kind.INTEGER, "size of the company, people", minimum=0, maximum=1e7),
    ),
)

CONTACTS = Table(
    name="contacts",
    doc="One person at an account.",
    key=("contact_id",),
    time="created_at",
    columns=(
        _id("contact_id", "the person", required=True),
        _ACCOUNT,
        _event("created_at", "when the person was added"),
        _RECORDED,
        Column(
            "role",
            Kind.STRING,
            "whom the person stands for",
            choices=("executive", "operations", "technical", "end_user"),
        ),
        _time("unsubscribed_at", "when they asked for no more messages", after="created_at"),
        _time("left_at", "when they left the account", after="created_at"),
    ),
)

SUBSCRIPTIONS = Table(
    name="subscriptions",
    doc="One term of one product; a renewal is a further row.",
    key=("subscription_id",),
    time="started_at",
    scheduled=True,
    columns=(
        _id("subscription_id", "the term", required=True),
        _ACCOUNT,
        _event("started_at", "the first instant of the term"),
        _RECORDED,
        Column(
            "ends_at",
            Kind.TIME,
            "the agreed end of the term, exclusive; open-ended if absent",
            after="started_at",
        ),
        _string("plan", "the product or plan"),
        Column("seats", Kind.NUMBER, "users paid for", minimum=0, maximum=1e7),
        Column("mrr", Kind.NUMBER, "monthly recurring revenue", minimum=0, maximum=1e9),
        Column("billing_months", Kind.INTEGER, "months a bill covers", minimum=1, maximum=120),
        Column("usage_limit", Kind.NUMBER, "events a month the plan allows", minimum=0),
        Column("auto_renew", Kind.BOOLEAN, "whether the term renews by itself"),
        _time("cancelled_at", "when notice was given, or the term was stopped"),
        Column(
            "cancel_kind",
            Kind.STRING,
            "who ended it: the customer, or the company for want of payment",
            known="cancelled_at",
            choices=("voluntary", "involuntary"),
        ),
        _time("terminated_at", "when service stopped before `ends_at`", after="started_at"),
    ),
)

USAGE = Table(
    name="usage",
    doc="One event in the product, or a roll-up of several of one kind.",
    key=(),
    time="occurred_at",
    dimension="event",
    columns=(
        _ACCOUNT,
        _event("occurred_at", "when it happened"),
        _RECORDED,
        Column("event", Kind.STRING, "what was done", required=True),
        _id("contact_id", "who did it"),
        Column("quantity", Kind.NUMBER, "how often, or how much", minimum=0, maximum=1e9),
    ),
)

MESSAGES = Table(
    name="messages",
    doc="One message to or from an account.",
    key=("message_id",),
    time="sent_at",
    columns=(
        _id("message_id", "the message", required=True),
        _ACCOUNT,
        _event("sent_at", "when it was sent"),
        _RECORDED,
        _id("contact_id", "who wrote or was written to"),
        Column(
            "direction",
            Kind.STRING,
            "from the customer or to the customer",
            required=True,
            choices=("inbound", "outbound"),
        ),
        Column(
            "channel",
            Kind.STRING,
            "the medium",
            choices=("email", "phone", "video", "in_person", "ticket", "forum", "chat"),
        ),
        _string("template", "the template an outbound message was made from"),
        _string("wave", "the campaign an outbound message belongs to"),
        _string("text", "what it says"),
        Column(
            "sentiment", Kind.STRING, "tone of an inbound message, five levels", choices=SENTIMENTS
        ),
        _time("opened_at", "when the customer opened it", after="sent_at"),
        _time("clicked_at", "when the customer followed a link in it", after="sent_at"),
        _time("replied_at", "when the customer answered it", after="sent_at"),
    ),
)

TICKETS = Table(
    name="tickets",
    doc="One request for support.",
    key=("ticket_id",),
    time="opened_at",
    columns=(
        _id("ticket_id", "the ticket", required=True),
        _ACCOUNT,
        _event("opened_at", "when it was opened"),
        _RECORDED,
        _id("contact_id", "who opened it"),
        Column("priority", Kind.STRING, "its urgency", choices=PRIORITIES),
        _string("category", "what it is about"),
        _string("text", "what it says"),
        _time("responded_at", "when support first answered", after="opened_at"),
        _time("resolved_at", "when it was resolved", after="opened_at"),
        _time("reopened_at", "when it was last reopened", after="opened_at"),
        _time("escalated_at", "when it was escalated", after="opened_at"),
        Column(
            "first_contact",
            Kind.BOOLEAN,
            "whether the first answer resolved it",
            known="resolved_at",
        ),
        _time("csat_at", "when the customer rated it", after="opened_at"),
        Column(
            "csat",
            Kind.NUMBER,
            "the customer's rating, 1 to 5",
            known="csat_at",
            minimum=1,
            maximum=5,
        ),
    ),
)

SURVEYS = Table(
    name="surveys",
    doc="One survey sent to one contact.",
    key=("survey_id",),
    time="sent_at",
    columns=(
        _id("survey_id", "the survey", required=True),
        _ACCOUNT,
        _event("sent_at", "when it was sent"),
        _RECORDED,
        _id("contact_id", "who was asked"),
        Column("kind", Kind.STRING, "which question", required=True, choices=("nps", "csat")),
        _string("channel", "the medium"),
        _time("responded_at", "when it was answered", after="sent_at"),
        Column(
            "score",
            Kind.NUMBER,
            "the answer: 0 to 10 for nps, 1 to 5 for csat",
            known="responded_at",
            minimum=0,
            maximum=10,
        ),
        _string("comment", "the words beside the score", known="responded_at"),
        Column(
            "sentiment",
            Kind.STRING,
            "tone of the comment, five levels",
            known="responded_at",
            choices=SENTIMENTS,
        ),
    ),
)

INVOICES = Table(
    name="invoices",
    doc="One bill.",
    key=("invoice_id",),
    time="issued_at",
    columns=(
        _id("invoice_id", "the bill", required=True),
        _ACCOUNT,
        _event("issued_at", "when it was sent"),
        _RECORDED,
        Column("due_at", Kind.TIME, "when payment is due", after="issued_at"),
        Column("amount", Kind.NUMBER, "what is to be paid", minimum=0, maximum=1e9),
        _time("paid_at", "when it was paid", after="issued_at"),
        _time("failed_at", "when a payment last failed", after="issued_at"),
        _time("disputed_at", "when the customer disputed it", after="issued_at"),
    ),
)

# What a message may want, how far it may have gone with a competitor, and what it may be about.
INTENTS: Mapping[str, str] = MappingProxyType(
    {
        "cancel_question": "asks about cancelling",
        "cancel_request": "cancels, or asks for it",
        "legal_threat": "threatens with lawyers, courts or authorities",
        "refund": "wants money back",
        "escalation": "wants to speak to somebody above",
        "renewal_question": "asks about renewing",
        "expansion_interest": "is interested in more",
    }
)
COMPETITOR_LEVELS = ("mentioned", "evaluating", "switching", "switched")
THEMES = ("product", "timeline", "pricing_billing", "support", "competitive", "positive")
READERS = ("model", "source", "person")


def about(theme: str) -> str:
    """Name the column of readings that says whether a text is about a theme."""
    return f"about_{theme}"


READINGS = Table(
    name="readings",
    doc=(
        "What one text of a customer says, as a model read it, or a person; a correction is a "
        "further row. churnml makes it from messages, tickets and surveys where no source gives it."
    ),
    key=("text_id", RECORDED_AT),
    time="said_at",
    replaced="replaced_at",
    columns=(
        _id("text_id", "the text: table and key, such as `messages/m-7`", required=True),
        _ACCOUNT,
        _event("said_at", "when it was written"),
        _RECORDED,
        _time("replaced_at", "when a correction took the row's place", after="said_at"),
        Column(
            "origin",
            Kind.STRING,
            "what kind of text it is",
            required=True,
            choices=("messages", "tickets", "surveys"),
        ),
        _id("contact_id", "who wrote it"),
        Column("reader", Kind.STRING, "who says so", choices=READERS),
        _string("version", "the version of the model that read it, or the person's name"),
        _string("language", "the text's language, ISO 639; an unknown one is read no further"),
        Column("sentiment", Kind.STRING, "its tone, five levels", choices=SENTIMENTS),
        *(Column(name, Kind.BOOLEAN, f"whether it {what}") for name, what in INTENTS.items()),
        _string("competitor", "the competitor with whom it has gone furthest"),
        Column(
            "competitor_level",
            Kind.STRING,
            "how far it has gone with them",
            choices=COMPETITOR_LEVELS,
        ),
        *(
            Column(about(name), Kind.BOOLEAN, f"whether it is of the theme {name}")
            for name in THEMES
        ),
        _string("evidence", "the words that show it: a JSON object, by column"),
    ),
)

NOTES = Table(
    name="notes",
    doc="What somebody who looks after an account noted of it.",
    key=("note_id",),
    time="noted_at",
    columns=(
        _id("note_id", "the note", required=True),
        _ACCOUNT,
        _event("noted_at", "when it was written"),
        _RECORDED,
        _string("author", "who wrote it"),
        Column("concern", Kind.BOOLEAN, "whether they are worried that the account may leave"),
        _string("text", "what it says"),
    ),
)

OUTCOMES = Table(
    name="outcomes",
    doc="What became of an account, as the business records it; read by labels alone.",
    key=("outcome_id",),
    time="occurred_at",
    label_only=True,
    columns=(
        _id("outcome_id", "the record", required=True),
        _ACCOUNT,
        _event("occurred_at", "when it took effect"),
        _RECORDED,
        Column(
            "kind",
            Kind.STRING,
            "what happened",
            required=True,
            choices=("churned", "renewed", "downgraded", "upgraded"),
        ),
        Column(
            "cancel_kind",
            Kind.STRING,
            "for a churn: who ended it",
            choices=("voluntary", "involuntary"),
        ),
        _string("reason", "the reason that was given"),
    ),
)

STANDARD: Mapping[str, Table] = MappingProxyType(
    {
        table.name: table
        for table in (
            ACCOUNTS,
            CONTACTS,
            SUBSCRIPTIONS,
            USAGE,
            MESSAGES,
            TICKETS,
            SURVEYS,
            INVOICES,
            READINGS,
            NOTES,
            OUTCOMES,
        )
    }
)
