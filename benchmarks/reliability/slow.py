"""One client on a very slow line behind nginx, while another one clicks.

    python -m benchmarks.reliability slow [--pace 1500]

The slow one opens Errors of *reviews* through deploy/nginx.conf at so many bytes a second; twenty
more connections send half a request and nothing else. Meanwhile somebody on a good line clicks.
Needs nginx.
"""

import argparse
import socket
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

import psutil
from browser import server
from proxy import SlowLine, nginx
from stream_client import StreamClient

from benchmarks.reliability.report import write

QUERY = "project=reviews"
HALF = 20  # connections that never end their request


def half_requests(port: int, stack: ExitStack) -> None:
    """Connections that say a little and then nothing."""
    for _ in range(HALF):
        sock = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        sock.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-")


def on_slow_line(line: SlowLine) -> StreamClient:
    return StreamClient(f"http://127.0.0.1:{line.port}", QUERY, ping=None)


def measure(pace: int, folder: Path) -> tuple[object, ...]:
    """What both saw, and how much memory the server gained while one was slow."""
    others = set(psutil.Process().children())
    with ExitStack() as stack:
        url = stack.enter_context(server(folder / "home"))
        (process,) = set(psutil.Process().children()) - others
        port = stack.enter_context(nginx(url, folder))
        StreamClient(url, QUERY).close()  # the first visit of a server sees it load
        good = StreamClient(f"http://127.0.0.1:{port}", QUERY)
        good_page = good.answer.elements
        faults = good.click(next(k for k in good.answer.buttons if k.startswith("open_"))).faults
        before = process.memory_info().rss
        line = SlowLine(port, pace)
        slow: list[StreamClient] = []
        visit = threading.Thread(target=lambda: slow.append(on_slow_line(line)))
        visit.start()
        half_requests(port, stack)
        clicks = 0
        while visit.is_alive():
            faults += good.click("next").faults
            clicks += 1
        gained = (process.memory_info().rss - before) / 2**20
        whole = bool(slow) and slow[0].answer.elements == good_page and not slow[0].answer.faults
        for client in (good, *slow):
            client.close()
        line.close()
    return clicks, len(faults), "yes" if whole else "**no**", f"{gained:.0f}"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pace", type=int, default=1500)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(asked.pace, Path(folder))
    head = ("clicks answered meanwhile", "errors", "slow page came whole", "MB gained meanwhile")
    write("slow", f"{asked.pace:,} bytes a second, {HALF} half requests", [head, found])


if __name__ == "__main__":
    main()
