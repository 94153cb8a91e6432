"""What keeps a client from its answer.

::

    ChurnMLError
    └── ClientError
        ├── Unreachable        no answer came, or none that the service gives
        └── Refused            the service answered with a problem
            ├── Forbidden      no good key, or one without the scope (401, 403)
            ├── NotFound       nothing is there (404)
            ├── Conflict       it cannot be had of this model, or is there with other content (409)
            ├── Unfit          the request is not as it has to be (400, 405, 408, 413, 422)
            ├── TooOften       the key asks more often than it may (429)
            └── Unavailable    the service failed, or cannot answer now (500 and above)
"""

from __future__ import annotations

from churnml.errors import ChurnMLError
from churnml.serving.documents import FaultDocument, ProblemDocument

KINDS = "urn:churnml:problem:"


class ClientError(ChurnMLError):
    """Asking the service did not lead to the answer that was asked for."""


class Unreachable(ClientError):  # noqa: N818 - named for what happened, as all of these
    """No answer came, or none that the service gives."""


class Refused(ClientError):  # noqa: N818
    """The service answered with a problem.

    Parameters
    ----------
    problem : ProblemDocument
        What it said.
    """

    def __init__(self, problem: ProblemDocument) -> None:
        super().__init__(f"{problem.status} {problem.detail} (request {problem.request_id})")
        self.problem = problem

    @property
    def kind(self) -> str:
        """What a program goes by, such as ``unfit`` or ``not-scored``."""
        return self.problem.type.removeprefix(KINDS)

    @property
    def faults(self) -> list[FaultDocument]:
        """Where a body does not fit."""
        return self.problem.faults

    @classmethod
    def of(cls, problem: ProblemDocument) -> Refused:
        """Choose the error by the status of a problem."""
        if problem.status >= 500:
            return Unavailable(problem)
        return _BY_STATUS.get(problem.status, Unfit)(problem)


class Forbidden(Refused):
    """The key is no good, or has not the scope."""


class NotFound(Refused):
    """Nothing is there."""


class Conflict(Refused):
    """It cannot be had of this model, or is there already with other content."""


class Unfit(Refused):
    """The request is not as it has to be; `faults` says where."""


class TooOften(Refused):
    """The key asks more often than it may, also after waiting."""


class Unavailable(Refused):
    """The service failed, or cannot answer now, also after waiting."""


_BY_STATUS: dict[int, type[Refused]] = {
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    429: TooOften,
}
