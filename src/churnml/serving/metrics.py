"""What the service measures, for Prometheus."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from churnml.actions.tiers import RiskTier

if TYPE_CHECKING:
    from churnml.serving.drift import Drifted

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
        self._lag = Gauge(
            "churnml_event_lag_seconds",
            "Seconds from an event's arrival until scores reflect it, of the latest.",
            multiprocess_mode="livemostrecent",
            registry=self.registry,
        )
        self._bins = Counter(
            "churnml_score_bin", "Scores, by bin of training.", ["bin"], registry=self.registry
        )
        self._share = self._of_drift("churnml_score_bin_share", "Share in training.", "bin")
        self._rows = self._of_drift("churnml_drift_rows", "Rows that drift is told of.")
        self._score_psi = self._of_drift("churnml_score_psi", "Drift of scores, as PSI.")
        self._feature_psi = self._of_drift("churnml_feature_psi", "Drift, as PSI.", "feature")
        self._bin: dict[int, Counter] = {}
        self._shares: dict[int, Gauge] = {}
        self._psi: dict[str, Gauge] = {}
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

    def expected(self, shares: Sequence[float]) -> None:
        """Tell which share each bin of the score had in training; forget another model's drift."""
        for gauge in (*self._shares.values(), *self._psi.values(), self._score_psi):
            gauge.set(math.nan)
        self._rows.set(0)
        for number, share in enumerate(shares, start=1):
            self._shares[number] = self._share.labels(str(number))
            self._shares[number].set(share)

    def binned(self, bins: Iterable[int]) -> None:
        """Count scores by their bins, from 0 on."""
        for number in bins:
            if number not in self._bin:
                self._bin[number] = self._bins.labels(str(number + 1))
            self._bin[number].inc()

    def drifted(self, found: Drifted) -> None:
        """Tell how far what was scored lately lies from training."""
        self._rows.set(found.rows)
        self._score_psi.set(found.score)
        for name, value in found.features.items():
            self._psi[name] = self._feature_psi.labels(name)
            self._psi[name].set(value)

    def event_lag(self, seconds: float) -> None:
        """Tell how long it took until scores reflected an event that had come."""
        self._lag.set(seconds)

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

    def _of_drift(self, name: str, says: str, *labels: str) -> Gauge:
        """Make a gauge that each worker tells of its own rows: the last to tell is believed."""
        return Gauge(name, says, labels, multiprocess_mode="livemostrecent", registry=self.registry)
