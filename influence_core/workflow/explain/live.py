"""Explanations while they come: a first ranking at once, better ones after it, none twice.

A page asks for an answer and gets a `LiveScan`, which fills in a thread of its own. A viewer (one
browser tab) has one scan at a time: asking for another item abandons the first, which stops at its
next chunk of rows unless others wait for it. Viewers who ask the same share one scan, and finished
answers are kept, up to a number of bytes, for all of them; answers are read-only. Called by
`pages.ui.errors.explained`; nothing here knows Streamlit.
"""

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, TypeVar
from weakref import WeakSet, WeakValueDictionary

from influence_core.errors import CancelledError
from influence_core.workflow.explain.explain import ExplainOptions, Explanation, explain
from influence_core.workflow.explain.items import Item
from influence_core.workflow.session import Session

Key = tuple[str, str, str, str, ExplainOptions, str]
CACHE_BYTES = 64 << 20
THREADS = 4  # scans at once; more wait for a free thread
MOST_VIEWERS = 256  # closed tabs do not say good-bye; the longest unused are forgotten

A = TypeVar("A")
Work = Callable[[Callable[[A], None], threading.Event], A]


def key_of(session: Session, item: Item, options: ExplainOptions) -> Key:
    """What an answer depends on: run, device, target, switches, and what an evaluation has set."""
    record = session.run.record
    features = item.features.cpu().numpy().tobytes()
    seen = hashlib.blake2b(
        features + f"{item.true} {item.split} {item.key}".encode(), digest_size=16
    )
    root, device = str(session.project.root), str(session.device)
    options = options.of_run(session)
    own = json.dumps(dict(session.settings_of(options.estimator)), sort_keys=True)
    return root, record.id, device, seen.hexdigest(), options, own


class Scan(Generic[A]):
    """One explanation, or another answer, that is computed for all viewers who wait for it."""

    def __init__(self, answer: A | None = None) -> None:
        self.news = threading.Condition()
        self.answer = answer
        self.version = int(answer is not None)
        self.over = answer is not None
        self.error: BaseException | None = None
        self._stop = threading.Event()
        self._viewers = 0

    def join(self) -> bool:
        """Count one viewer more; False if the scan has been given up or has failed."""
        with self.news:
            if self._stop.is_set() or self.error is not None:
                return False
            self._viewers += 1
            return True

    def leave(self) -> None:
        """Count one viewer less; without any the scan stops at the next chunk of rows."""
        with self.news:
            self._viewers -= 1
            if self._viewers == 0:
                self._stop.set()

    def run(self, work: Work[A], keep: Callable[[A], None]) -> None:
        """Do the work; `keep` is given the finished answer."""
        try:
            answer = work(self._told, self._stop)
            keep(answer)
            self._told(answer)
        except CancelledError:
            pass  # the last provisional answer stays
        except BaseException as error:  # raised again where somebody waits
            self.error = error
        finally:
            with self.news:
                self.over = True
                self.news.notify_all()

    def _told(self, answer: A) -> None:
        with self.news:
            self.answer = answer
            self.version += 1
            self.news.notify_all()


class LiveScan(Generic[A]):
    """One viewer's part in a scan. Every method may be called from any thread."""

    def __init__(self, scan: Scan[A]) -> None:
        """Of a scan that the viewer has joined."""
        self._scan = scan
        self._cancelled = False
        self._last: tuple[int, A | None] = 0, None  # when it was cancelled

    @property
    def over(self) -> bool:
        """Whether nothing more will come: finished, cancelled or failed."""
        return self._scan.over or self._cancelled

    @property
    def failed(self) -> bool:
        """Whether `wait` raises."""
        return self._scan.error is not None and not self._cancelled

    @property
    def cancelled(self) -> bool:
        """Whether the viewer gave up before the end."""
        return self._cancelled

    def cancel(self) -> None:
        """Wait no more; what was ranked until then stays. Other viewers' scan goes on."""
        with self._scan.news:
            if self.over:
                return
            self._cancelled = True
            self._last = self._scan.version, self._scan.answer
            self._scan.leave()
            self._scan.news.notify_all()

    def wait(self, seen: int = 0, timeout: float | None = None) -> tuple[int, A | None]:
        """Wait for an answer newer than number `seen`, or for the end.

        Returns:
            The number of the newest answer and the answer; it may be provisional, or None.

        Raises:
            TurnoverError: whatever the scan failed with.
        """
        scan = self._scan
        with scan.news:
            scan.news.wait_for(lambda: self.over or scan.version > seen, timeout)
            if self._cancelled:
                return self._last
            if scan.error is not None:
                raise scan.error
            return scan.version, scan.answer

    def ends_within(self, seconds: float) -> bool:
        """Wait for the end, at most so long; whether it has come."""
        with self._scan.news:
            return self._scan.news.wait_for(lambda: self.over, seconds)


class AnswerCache:
    """Finished answers, the least recently used thrown away beyond so many bytes."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._held: OrderedDict[Key, tuple[Explanation, int]] = OrderedDict()
        self._lock = threading.Lock()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: Key) -> Explanation | None:
        """The answer, if it is still here."""
        with self._lock:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key][0]

    def put(self, key: Key, answer: Explanation) -> None:
        """Keep an answer; one larger than the whole limit is not kept."""
        size = size_of(answer)
        if size > self._limit:
            return
        with self._lock:
            if key in self._held:
                self.bytes -= self._held.pop(key)[1]
            self._held[key] = answer, size
            self.bytes += size
            while self.bytes > self._limit:
                _, (_, freed) = self._held.popitem(last=False)
                self.bytes -= freed


def size_of(answer: Explanation) -> int:
    """Bytes that an answer holds on to: its tables, and the target with a picture of one's own."""
    tables = sum(
        int(table.memory_usage(index=True, deep=True).sum())
        for table in (answer.helpful, answer.harmful)
    )
    item = answer.item
    kept = 0 if answer.scores is None else answer.scores.nbytes
    return tables + kept + item.features.nbytes + item.proba.nbytes + len(item.content or "")


class LiveScans:
    """All scans of one app: a thread pool, the cache, and which scan each viewer waits for."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self.cache = AnswerCache(limit)
        # Threads are kept: a new one would build the matrix library's own pool for every scan. Not
        # those of an executor, since Python waits for them, however long a scan is, before it ends.
        self._todo: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=_work, args=(self._todo,), name=f"live-{n}", daemon=True)
            for n in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()
        self._current: OrderedDict[str, tuple[Key, LiveScan[Explanation]]] = OrderedDict()
        self._running: WeakValueDictionary[Key, Scan[Explanation]] = WeakValueDictionary()
        self._others: WeakSet[LiveScan[Any]] = WeakSet()
        self._lock = threading.Lock()

    def ask(
        self, viewer: str, session: Session, item: Item, options: ExplainOptions
    ) -> LiveScan[Explanation]:
        """The viewer's scan for this question; any other scan of the viewer is abandoned.

        Asking again for the same thing gives the same scan, also after it was cancelled, until
        `forget` is called; one that failed is tried again. What another viewer waits for is not
        computed twice.
        """
        options = options.of_run(session)
        key = key_of(session, item, options)
        with self._lock:
            before = self._current.get(viewer)
            if before is not None and before[0] == key and not before[1].failed:
                return before[1]
            if before is not None:
                before[1].cancel()
            live = LiveScan(self._joined(key, session, item, options))
            self._current[viewer] = key, live
            self._current.move_to_end(viewer)
            while len(self._current) > MOST_VIEWERS:
                self._current.popitem(last=False)[1][1].cancel()
        return live

    def _joined(
        self, key: Key, session: Session, item: Item, options: ExplainOptions
    ) -> Scan[Explanation]:
        """A scan that counts one viewer more: finished, on its way, or begun now."""
        held = self.cache.get(key)
        running = self._running.get(key) if held is None else None
        if running is not None and running.join():
            return running
        scan: Scan[Explanation] = Scan(held)
        scan.join()
        if held is None:
            self._running[key] = scan
            work = partial(_explain, session, item, options)
            self._todo.put(partial(scan.run, work, partial(self.cache.put, key)))
        return scan

    def forget(self, viewer: str) -> None:
        """Stop the viewer's scan, so that asking again starts again."""
        with self._lock:
            before = self._current.pop(viewer, None)
        if before is not None:
            before[1].cancel()

    def begin(self, work: Work[A]) -> LiveScan[A]:
        """Another long answer on the same threads; it belongs to no viewer."""
        scan: Scan[A] = Scan()
        scan.join()
        live = LiveScan(scan)
        with self._lock:
            self._others.add(live)
        self._todo.put(partial(scan.run, work, _keep_nowhere))
        return live

    def close(self, seconds: float = 2.0) -> None:
        """Stop all scans, and wait a moment for those in the middle of a chunk."""
        with self._lock:
            for live in [*(live for _, live in self._current.values()), *self._others]:
                live.cancel()
        for _ in self._threads:
            self._todo.put(None)
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))


def _work(todo: SimpleQueue[Callable[[], None] | None]) -> None:
    """What a thread does until it is told to end."""
    while (task := todo.get()) is not None:
        task()


def _keep_nowhere(answer: object) -> None:
    """The scan itself holds its answer."""


def _explain(
    session: Session,
    item: Item,
    options: ExplainOptions,
    tell: Callable[[Explanation], None],
    stop: threading.Event,
) -> Explanation:
    return explain(session, item, options, keep=True, on_partial=tell, cancel=stop)
