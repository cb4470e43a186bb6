"""Where one machine ends: work handed to the workers of a Ray cluster.

Every worker opens the project from its folder, which all machines see, so that no features travel:
a task gets kilobytes and gives back what it found. A worker that dies has its tasks done again by
another. `cluster_scan` ranks, `cluster_train` trains, `cluster_encode` encodes with it.

Ray is optional (the extra `ray`). Called through `--ray` of the verbs.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from influence_core.errors import ModelError, ResourceError, TurnoverError
from influence_core.progress import check_cancel
from influence_core.store.project import Project

RETRIES = 3  # of a task whose worker died
_AHEAD = 3  # tasks a worker that are under way or whose results wait: memory stays bounded
_POLL = 0.5  # seconds between looks at the cancel flag
_LOOPBACK = ("127.", "localhost:", "[::1]")
_ANSWER = 10  # seconds until a head node is taken for dead


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to."""

    ray: Any

    @property
    def workers(self) -> int:
        """How many tasks can be done at once: one a GPU, or one a CPU where there is none."""
        has = self.ray.cluster_resources()
        return max(1, int(has.get("GPU", 0) or has.get("CPU", 1)))

    @property
    def device(self) -> str:
        """Where workers compute: `auto` finds the GPU that Ray gives to a task."""
        return "auto" if self.ray.cluster_resources().get("GPU") else "cpu"

    def map(
        self,
        work: Callable[..., Any],
        common: Any,
        each: Iterable[tuple[Any, ...]],
        *,
        ordered: bool = False,
        cancel: threading.Event | None = None,
    ) -> Iterator[tuple[int, Any]]:
        """Results of `work(common, *arguments)` for each arguments, with their number.

        Args:
            work: a function of a module. common: sent to a worker once.
            ordered: by number, instead of as they come.
            cancel: set it to stop: `CancelledError` is raised, and no more tasks are started.

        Raises:
            TurnoverError: what a task raised. ResourceError: workers died again and again.
        """
        # A CPU each: torch and the compiled loops use one thread in a worker.
        needs = {"num_gpus": 1} if self.device == "auto" else {"num_cpus": 1}
        task = self.ray.remote(max_retries=RETRIES, **needs)(work)
        shared = self.ray.put(common)
        todo = iter(enumerate(each))
        window = _AHEAD * self.workers
        running: dict[Any, int] = {}
        held: dict[int, Any] = {}
        following = 0
        # Those that run when a caller stops are left to end: they are few, end with this process at
        # the latest, and `ray.cancel` of a task that is just ready ends the process itself (a
        # failed check of Ray 2.60, "Tried to complete task that was not pending").
        while True:
            check_cancel(cancel)
            for number, arguments in islice(todo, window - len(running) - len(held)):
                running[task.remote(shared, *arguments)] = number
            if not running:
                return
            for reference in self.ray.wait(list(running), timeout=_POLL)[0]:
                held[running.pop(reference)] = self._result(reference)
            while held and (not ordered or following in held):
                number = following if ordered else next(iter(held))
                yield number, held.pop(number)
                following += 1

    def _result(self, reference: Any) -> Any:
        try:
            return self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, TurnoverError):
                raise error.cause from None
            raise
        except self.ray.exceptions.RayError as error:
            raise ResourceError(
                f"A task's worker died {RETRIES + 1} times or the cluster went away; look for "
                "memory on the cluster's machines and start again."
            ) from error


@contextmanager
def perhaps_connected(address: str | None) -> Iterator[Cluster | None]:
    """`connected`, or nothing without an address."""
    if address is None:
        yield None
        return
    with connected(address) as cluster:
        yield cluster


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """A cluster: `auto` starts one on this machine, anything else is joined.

    Raises:
        ModelError: Ray is not installed. ResourceError: nothing answers at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no usage figures are sent
    if address == "auto" or address.startswith(_LOOPBACK):
        # Ray's own cluster of one machine listens on the loopback device only with this; without,
        # Linux gets a cluster that any machine of the network can send code to. One that listens
        # there is found only by who takes that device for its own, too.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
    except ImportError as error:
        raise ModelError("--ray needs Ray; turnover doctor says how to get it") from error
    if ray.is_initialized():
        yield Cluster(ray)
        return
    try:
        if address != "auto":
            _check_answers(address)
        with _our_sigterm():
            ray.init(
                address="local" if address == "auto" else address,
                include_dashboard=False if address == "auto" else None,
                log_to_driver=False,
                logging_level="ERROR",
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise ResourceError(
            f"No Ray cluster answers at {address} ({error}); start one with: ray start --head, "
            "and give this process the cluster's RAY_AUTH_TOKEN if it has one."
        ) from error
    try:
        yield Cluster(ray)
    finally:
        ray.shutdown()


@contextmanager
def _our_sigterm() -> Iterator[None]:
    """Keep the handler of SIGTERM: Ray's own ends the process before a verb can close its work."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread has handlers, Ray sets none elsewhere
        return
    ours = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, ours)


def _check_answers(address: str) -> None:
    """Fail at once where nobody listens; Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit()):
        raise ValueError("an address is HOST:PORT, or auto")
    socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER).close()


@lru_cache(maxsize=2)
def opened_project(root: str, fingerprint: str) -> Project:
    """In a worker: the project with this data and encoder, kept for the next tasks.

    `fingerprint` is that of `state_of`: a project that has changed is opened again.
    """
    return Project.open(Path(root))


def state_of(project: Project) -> str:
    """What a worker must have read again if it changed: data and encoder."""
    return f"{project.fingerprint} {project.settings.encoder_fingerprint}"
