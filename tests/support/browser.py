"""A real app behind a real browser: start the server, open Debian's Chromium."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# No proxy of the environment stands between this machine and itself.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# Streamlit sends a page piece by piece: what a test expects may come a moment later.
PATIENCE = 120  # seconds; a busy machine decides nothing
expect.set_options(timeout=1000 * PATIENCE)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium: apt-get install chromium"
)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextmanager
def server(home, port=None, start=("-m", "streamlit"), **environment):
    """The dashboard on a free port, with its own home of projects; `start` is how Python starts."""
    port = port or free_port()
    command = [
        sys.executable, *start, "run", "app.py", "--server.headless", "true",
        "--server.port", str(port),
    ]  # fmt: skip
    environment = {**os.environ, "TURNOVER_HOME": str(home), **environment}
    with serving(command, port, home.parent / "server.log", cwd=ROOT, env=environment) as url:
        yield url


@contextmanager
def serving(command, port, log, **options):
    """The server that a command starts, as soon as it answers; ended afterwards."""
    with log.open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, **options)
    try:
        url = f"http://127.0.0.1:{port}"
        end = time.monotonic() + 600
        while process.poll() is None and time.monotonic() < end:
            try:
                DIRECT.open(f"{url}/_stcore/health", timeout=10).close()
                break
            except OSError:
                time.sleep(0.2)
        else:
            raise RuntimeError(log.read_text())
        yield url
    finally:
        process.terminate()
        process.wait(600)


@contextmanager
def chromium(browser_id="0" * 32, **context):
    """A page whose every request is noted; `page.outside` lists those that leave the machine.

    All are the same person's browser, whom nobody asks for a name, unless `browser_id` is another.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1000}, **context)
        page.add_init_script(f"localStorage.setItem('turnover-browser', '{browser_id}')")
        page.outside = []
        page.on(
            "request",
            lambda request: (
                page.outside.append(request.url)
                if request.url.startswith("http") and "//127.0.0.1" not in request.url
                else None
            ),
        )
        page.set_default_timeout(300_000)  # the first page compiles and copies
        yield page
        browser.close()


def soon(read, wanted):
    """What a file or a database says at last is what is wanted."""
    end = time.monotonic() + PATIENCE
    while (found := read()) != wanted and time.monotonic() < end:
        time.sleep(0.1)
    assert found == wanted


# The pages whose address is not their name.
ADDRESSES = {
    "Errors": "", "Explore": "select", "Labels": "triage", "Clean data": "cleansing",
    "Trust": "evaluation", "Runs": "history", "Projects": "home",
}  # fmt: skip


def to_page(page, name):
    """Another page by its link in the menu, when it is there: until its address is the browser's,
    what looks settled is the page before, and *back* would lead from that one."""
    page.get_by_role("link", name=name).click()
    page.wait_for_url(re.compile(rf"//[^/]+/{ADDRESSES[name]}(\?|$)"))
    settled(page)


def box_of(drawn):
    """Where an element stands once it stands still: it may be drawn again, or move, meanwhile."""
    end, before = time.monotonic() + PATIENCE, None
    while time.monotonic() < end:
        box = drawn.bounding_box()
        if box and box["height"] and box == before:
            return box
        before = box
        time.sleep(0.1)
    raise AssertionError(f"{drawn} does not stand still: {before}")


def settled(page):
    """The script has run to its end: nothing on screen is left from the run before."""
    page.locator('[data-test-script-state="notRunning"]').wait_for()
