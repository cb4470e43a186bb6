"""The desk from another machine over plain http, as `--host 0.0.0.0` serves it.

Browsers give several functions to `https` and to this very machine only (`crypto.randomUUID`, the
clipboard), so every other browser test would miss one that is not there. Here Chromium runs in a
network of its own, and the server's address is no loopback address for it.
"""

import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path

import browser
import pytest
from browser import chromium, needs_chromium, server, soon

from influence_core.store.project import Project
from influence_core.store.reviews.store import open_reviews

PAGES = Path(__file__).resolve().parents[2] / "pages"
HERE, THERE = "198.18.7.1", "198.18.7.2"  # a range for tests of networks, RFC 2544
IP = shutil.which("ip")
pytestmark = [pytest.mark.browser, needs_chromium]


def run(*words):
    return subprocess.run([IP, *words], capture_output=True, text=True, check=False)


@pytest.fixture
def network(tmp_path, monkeypatch):
    """Two ends of a cable, one in a network namespace, from where Chromium then starts."""
    if IP is None or os.geteuid() != 0:
        pytest.skip("needs root and the program ip: apt-get install iproute2")
    name = f"turnover-{secrets.token_hex(3)}"
    near, far = f"tn{name[-6:]}a", f"tn{name[-6:]}b"
    made = run("netns", "add", name)
    if made.returncode:
        pytest.skip(f"no network namespace may be made here: {made.stderr.strip()}")
    try:
        for words in (
            f"link add {near} type veth peer name {far} netns {name}",
            f"address add {HERE}/30 dev {near}",
            f"link set {near} up",
            f"-n {name} address add {THERE}/30 dev {far}",
            f"-n {name} link set {far} up",
            f"-n {name} link set lo up",
        ):
            done = run(*words.split())
            if done.returncode:
                pytest.skip(f"no cable between networks may be made here: {done.stderr.strip()}")
        start = tmp_path / "chromium"
        start.write_text(f'#!/bin/sh\nexec {IP} netns exec {name} {browser.CHROMIUM} "$@"\n')
        start.chmod(0o755)
        monkeypatch.setattr(browser, "CHROMIUM", str(start))
        yield
    finally:
        run("link", "delete", near)
        run("netns", "delete", name)


def test_rows_are_decided_and_undone_from_another_machine(network, tmp_path):
    home = tmp_path / "home"
    with server(home, STREAMLIT_SERVER_ADDRESS="0.0.0.0") as local, chromium() as page:
        url = local.replace("127.0.0.1", HERE)
        page.goto(f"{url}/triage?project=reviews")
        page.locator(".desk[data-row]:not([data-row=''])").wait_for()
        assert page.evaluate("[isSecureContext, typeof crypto.randomUUID]") == [False, "undefined"]
        keys = []
        for letter in "kxz":
            keys.append(page.locator(".desk").get_attribute("data-row"))
            page.keyboard.press(letter)
        page.get_by_text("all decisions saved").wait_for()
        store = open_reviews(Project.open(home / "reviews"))
        soon(lambda: len(store.events()), 3)
        decided = [(f"{e.decision.key:016x}", e.decision.verdict) for e in store.events()]
        store.close()
        assert decided == [(keys[0], "keep"), (keys[1], "exclude"), (keys[1], "exclude")]
        assert [address for address in page.outside if not address.startswith(url)] == []


# What MDN lists as "available only in secure contexts" and a page might want.
SECURE_ONLY = re.compile(
    r"randomUUID|crypto\.subtle|navigator\.(?:clipboard|serviceWorker|mediaDevices|geolocation|"
    r"credentials|wakeLock|storage|share|locks|gpu|usb|hid|serial|bluetooth)|\bcaches\.\w|"
    r"showOpenFilePicker|showSaveFilePicker|Notification|PaymentRequest|cookieStore"
)


def test_no_script_of_ours_needs_what_only_https_gives():
    """Python files hold small scripts too; a comment may name what is avoided."""
    for file in [*PAGES.rglob("*.js"), *PAGES.rglob("*.py")]:
        lines = [line for line in file.read_text("utf-8").splitlines() if line[:2] != "//"]
        assert SECURE_ONLY.findall("\n".join(lines)) == [], file
