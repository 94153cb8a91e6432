"""Several workers that share one socket, and their parent, which keeps them going."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

from prometheus_client.multiprocess import mark_process_dead

from churnml.serving.logs import Log
from churnml.serving.metrics import SHARED
from churnml.serving.settings import Settings
from churnml.serving.worker import HANGUP, Plan, Worker

_ENDS = frozenset({signal.SIGTERM, signal.SIGINT})
_STEADY = 60.0  # seconds after which a worker that dies is replaced at once
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0  # before one that died sooner is: doubled each time, and bounded
_SLACK = 5.0  # seconds beyond the grace until a worker is killed


@dataclass
class _Place:
    """A worker's place, which is filled again when it has died."""

    number: int
    worker: Worker | None = None
    falls: int = 0  # one after another, each soon after its start
    due: float = 0.0

    def free(self, age: float) -> float:
        """Let go of a worker that has died; give the seconds until another takes its place."""
        self.worker = None
        self.falls = 0 if age >= _STEADY else self.falls + 1
        pause = min(_LONGEST_PAUSE, _PAUSE * 2 ** (self.falls - 1)) if self.falls else 0.0
        self.due = time.monotonic() + pause
        return pause


class Workers:
    """The parent of workers.

    Parameters
    ----------
    plan : Plan
        What each begins with.
    there : socket
        Bound; what they share. Closed at the end.
    count : int
        How many.
    log : logger
        Told when one begins to answer, dies or is killed.
    ready : callable
        Told once all of them answer.
    """

    def __init__(
        self, plan: Plan, there: socket.socket, count: int, log: Log, ready: Callable[[], None]
    ) -> None:
        self._plan, self._there, self._log, self._ready = plan, there, log, ready
        self._places = [_Place(number) for number in range(count)]
        self._complete = self._ending = False

    def run(self) -> bool:
        """Keep workers going until SIGTERM or SIGINT, which ends them; SIGHUP is passed on.

        Returns
        -------
        bool
            Whether every worker ended in good order and in time.

        Raises
        ------
        ChurnMLError
            If one could not begin, before all had begun once.
        """
        with _shared_measures(), _signals() as told:
            try:
                while not self._ending:
                    self._fill()
                    awaited = [end for worker in self._workers() for end in worker.awaited]
                    wait([told, *awaited], self._until_due())
                    self._obey(told)
                    self._hear()
            finally:
                in_order = self._end(told)
        return in_order

    def _workers(self) -> list[Worker]:
        return [place.worker for place in self._places if place.worker is not None]

    def _fill(self) -> None:
        for place in self._places:
            if place.worker is None and place.due <= time.monotonic():
                place.worker = Worker(place.number, self._plan, self._there)

    def _until_due(self) -> float | None:
        due = [place.due for place in self._places if place.worker is None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _obey(self, told: socket.socket) -> None:
        numbers = _received(told)
        if HANGUP in numbers:
            for worker in self._workers():
                if worker.ready:  # before, it would know no better than to die
                    worker.tell(HANGUP)
        self._ending = bool(numbers & _ENDS)

    def _hear(self) -> None:
        for place in self._places:
            worker = place.worker
            if worker is None:
                continue
            if worker.hear():
                self._log.info("worker ready", worker=place.number, pid=worker.pid)
            if not worker.alive and not self._ending:
                self._replace(place, worker)
        if not self._complete and all(worker.ready for worker in self._workers()):
            self._complete = True
            self._ready()

    def _replace(self, place: _Place, worker: Worker) -> None:
        why = worker.why_dead()
        if not self._complete:
            raise why
        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
        pause = place.free(worker.age)
        self._log.error(
            "worker died", worker=place.number, pid=worker.pid, why=str(why), again_in=pause
        )

    def _end(self, told: socket.socket) -> bool:
        """End all workers; those that take too long, or when asked once more, the hard way."""
        self._there.close()
        workers = self._workers()
        for worker in workers:
            worker.tell(signal.SIGTERM)
        until = time.monotonic() + Settings().grace + _SLACK
        while (alive := [worker for worker in workers if worker.alive]) and (
            until > time.monotonic()
        ):
            awaited: list[Any] = [worker.awaited[0] for worker in alive]
            wait([told, *awaited], until - time.monotonic())
            if _received(told) & _ENDS:
                break
        in_order = [worker.end() for worker in workers]
        return all(in_order)


@contextmanager
def _shared_measures() -> Iterator[None]:
    """Give workers a folder for what they measure, so that each can tell of all."""
    before = os.environ.get(SHARED)
    with tempfile.TemporaryDirectory(prefix="churnml-metrics-") as folder:
        os.environ[SHARED] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[SHARED]
            else:
                os.environ[SHARED] = before


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """Give a socket in which the signals stand that came."""
    told, tells = socket.socketpair()
    told.setblocking(False)
    tells.setblocking(False)
    with told, tells:
        handlers = {number: signal.signal(number, _nothing) for number in {*_ENDS, HANGUP}}
        before = signal.set_wakeup_fd(tells.fileno())
        try:
            yield told
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _nothing(_number: int, _frame: object) -> None:
    """Let a signal do no more than to be told."""


def _received(told: socket.socket) -> set[int]:
    try:
        return set(told.recv(4096))
    except BlockingIOError:
        return set()
