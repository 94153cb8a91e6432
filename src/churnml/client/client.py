"""The client: a method for what the service can be asked, and a document for each answer."""

from __future__ import annotations

from churnml.client.accounts import Accounts
from churnml.client.asking import parsed
from churnml.client.scores import Scores
from churnml.serving.documents import ModelCard, ModelVersions, Readiness


class Client(Scores, Accounts):
    """Asks a service.

    It may be shared by threads. As a context manager it lets go of its connections at the end.

    Parameters
    ----------
    url : str
        Where the service listens, such as ``http://127.0.0.1:8000``.
    key : str
        What ``churnml keys create`` printed.
    timeout : float
        Seconds without a word from the service after which it is given up.
    retries : int
        How often a request is sent again that did not get through: the service was too busy (429,
        503), or not there. Only what may be done twice is.
    longest_wait : float
        Seconds. Where the service asks to wait longer, its refusal is raised instead.
    transport : httpx.BaseTransport, optional
        Of httpx, for proxies, certificates of one's own, and tests.

    Raises
    ------
    ConfigError
        If the URL or the key cannot be one.
    """

    def model(self) -> ModelCard:
        """Tell of the model that answers: what it predicts, from which features, how well."""
        return parsed(ModelCard, self._read("GET", "/v1/model"))

    def models(self) -> ModelVersions:
        """Tell which versions of the model there are, how good each was, and which is in charge."""
        return parsed(ModelVersions, self._read("GET", "/v1/models"))

    def ready(self) -> Readiness:
        """Tell whether scores can be given, and how fresh history is; raises nothing if not."""
        answer = self._asking.send("GET", "/readyz", repeatable=True, answers=(503,))
        return parsed(Readiness, answer.content)
