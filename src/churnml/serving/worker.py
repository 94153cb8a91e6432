"""One of several workers: what its process does, and how its parent sees it.

It loads the model after it was started: a process that was forked from one with LightGBM in it can
hang.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from churnml.errors import ChurnMLError

HANGUP = getattr(signal, "SIGHUP", signal.SIGTERM)  # some systems have none


@dataclass(frozen=True)
class Plan:
    """What every worker begins with.

    Parameters
    ----------
    root : Path
        Of the project.
    recipe : str
        By which accounts are scored.
    model : str or None
        As for `churnml.training.shelf.choose`.
    """

    root: Path
    recipe: str
    model: str | None


class Worker:
    """A worker's process, from its start on.

    Parameters
    ----------
    number : int
        Its place among the others.
    plan : Plan
        What it begins with.
    there : socket
        What it shares with the others.
    """

    def __init__(self, number: int, plan: Plan, there: socket.socket) -> None:
        context = multiprocessing.get_context("spawn")
        self._says, tells = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_work, args=(number, plan, there, tells), name=f"worker {number}", daemon=True
        )
        self._begun = time.monotonic()
        self._refused: ChurnMLError | None = None
        self.ready = False
        self._process.start()
        tells.close()

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid or 0

    @property
    def age(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self._begun

    @property
    def alive(self) -> bool:
        """Whether its process is there."""
        return self._process.exitcode is None

    @property
    def awaited(self) -> list[Any]:
        """What there is to wait for: its word, as long as it has said nothing, and its end."""
        return [self._process.sentinel, *([] if self._says.closed else [self._says])]

    def hear(self) -> bool:
        """Take its word, if it has said any since; tell whether that was that it answers."""
        if self._says.closed or not self._says.poll():
            return False
        with suppress(EOFError):  # it died without a word
            self._refused = self._says.recv()
            self.ready = self._refused is None
        self._says.close()
        return self.ready

    def tell(self, number: int) -> None:
        """Send it a signal."""
        if self.alive:
            os.kill(self.pid, number)

    def why_dead(self) -> ChurnMLError:
        """Tell why it is there no more."""
        if self._refused is not None:
            return self._refused
        code = self._process.exitcode or 0
        if code < 0:
            return ChurnMLError(
                f"a worker was killed by {signal.Signals(-code).name}. If nobody did it on "
                "purpose, memory may be short: start fewer, each holds the model."
            )
        return ChurnMLError(f"a worker ended with status {code}; what it wrote last tells why.")

    def end(self) -> bool:
        """Make sure that its process is there no more; tell whether it had ended in good order."""
        late = self.alive
        self._process.kill()
        self._process.join()
        # Before it answers, a signal ends it as it ends any process.
        return not late and self._process.exitcode in {0, -signal.SIGTERM}


def _work(number: int, plan: Plan, there: socket.socket, tells: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever presses Ctrl-C has told the parent too
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from churnml.project import Project
    from churnml.serving.lean import be_lean

    try:
        project = Project.load(plan.root)
        be_lean(project, plan.recipe)
        from churnml.serving.listen import listen
        from churnml.serving.logs import log_to
        from churnml.serving.start import start
        from churnml.serving.store.location import store_url
        from churnml.serving.store.store import Store

        with Store.open(store_url(project)) as store:
            log = log_to().bind(worker=number)
            service = start(project, plan.recipe, store, log, model=plan.model)
            in_time = listen(service, there, lambda: tells.send(None))
    except ChurnMLError as error:
        tells.send(error)
        sys.exit(1)
    sys.exit(0 if in_time else 1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
