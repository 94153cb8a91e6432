"""What the service measures, for Prometheus."""

from __future__ import annotations

import os
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from churnml.actions.tiers import RiskTier

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


SHARED = "PROMETHEUS_MULTIPROC_DIR"  # names the folder in which several workers count together


class Metrics:
    """Counts and times of one service, of all its workers; none of them names an account."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "churnml_request_seconds",
            "Time until an answer had been sent.",
            ["route", "method", "status"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._scores = Counter(
            "churnml_scores", "Scores given, by risk tier.", ["tier"], registry=self.registry
        )
        self._model = Gauge(
            "churnml_model",
            "Workers that answer by the model.",
            ["recipe", "bundle", "role"],
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self._refused = Counter(
            "churnml_bundles_refused", "Bundles that were not taken.", registry=self.registry
        )
        self._observed = Gauge(
            "churnml_observed_until_seconds",
            "Where history ends, in seconds since 1970.",
            multiprocess_mode="livemostrecent",
            registry=self.registry,
        )
        self._tiers = {tier: self._scores.labels(tier.value) for tier in RiskTier}
        self._answers: Gauge | None = None
        self._routes: dict[tuple[str, str, int], Histogram] = {}

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answer."""
        key = (route, method, status)
        if key not in self._routes:
            self._routes[key] = self._seconds.labels(route, method, str(status))
        self._routes[key].observe(seconds)

    def scored(self, tiers: Iterable[RiskTier]) -> None:
        """Count scores."""
        for tier in tiers:
            self._tiers[tier].inc()

    def model(self, recipe: str, bundle: str, role: str) -> None:
        """Tell which model answers from now on."""
        if self._answers is not None:
            self._answers.set(0)  # of several workers another may still answer by it
            if SHARED not in os.environ:
                self._model.clear()
        self._answers = self._model.labels(recipe, bundle, role)
        self._answers.set(1)

    def refused(self) -> None:
        """Count a bundle that was not taken."""
        self._refused.inc()

    def observed(self, seconds: float) -> None:
        """Tell where history ends."""
        self._observed.set(seconds)

    def exposition(self) -> bytes:
        """Write all of it as Prometheus reads it."""
        registry = self.registry
        if SHARED in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return bytes(generate_latest(registry))
