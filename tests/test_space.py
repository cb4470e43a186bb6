"""The public demo, started as its folder starts it: what README.md there promises is so."""

import http.client
import os
import re
import subprocess
import sys
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from browser import ROOT, chromium, free_port, needs_chromium, serving, settled
from playwright.sync_api import expect

from influence_core.errors import StoreError
from influence_core.jobs import start
from influence_core.store.project import Project
from influence_core.workflow.projects.create import NewProject, create

SPACE = ROOT / "deploy" / "space"
pytestmark = pytest.mark.slow


def settings():
    """What `start` exports, as a shell reads it."""
    printed = subprocess.run(
        ["sh", "-c", f". {SPACE / 'settings'}; env"],
        capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    return dict(line.split("=", 1) for line in printed.stdout.splitlines() if "=" in line)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("space") / "home"


@pytest.fixture(scope="module")
def url(home):
    """The app by `start`; only where it listens and keeps its copy of the samples is the test's."""
    programs = home.parent / "programs"
    programs.mkdir()
    (programs / "turnover").write_text(
        f'#!/bin/sh\nexec {sys.executable} -m influence_core.cli "$@"\n'
    )
    (programs / "turnover").chmod(0o755)
    port = free_port()
    environment = {
        **os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
        "TURNOVER_HOME": str(home), "HOST": "127.0.0.1", "PORT": str(port),
        "SPACE_HOST": "127.0.0.1", "STREAMLIT_SERVER_HEADLESS": "true",
    }  # fmt: skip
    log = home.parent / "server.log"
    with serving([str(SPACE / "start")], port, log, cwd=home.parent, env=environment) as address:
        yield address


def test_the_image_and_the_readme_name_what_is_there():
    steps = (SPACE / "Dockerfile").read_text()
    assert "COPY turnover-*.whl start settings /srv/" in steps
    assert 'CMD ["/srv/start"]' in steps
    assert "USER visitor" in steps
    readme = (SPACE / "README.md").read_text("utf-8")
    assert re.search(r"^app_port: 7860$", readme, re.M)
    for name in re.findall(r"deploy/space/(\w+)", readme):
        assert (SPACE / name).exists() or (SPACE / f"{name}.md").exists(), name
    assert settings()["STREAMLIT_SERVER_MAX_UPLOAD_SIZE"] == "1"


@needs_chromium
@pytest.mark.browser
def test_a_visitor_sees_all_and_changes_nothing(url, home):
    with chromium() as page:
        page.goto(f"{url}/triage?project=fashion")
        page.locator(".desk[data-row]:not([data-row=''])").wait_for()
        expect(page.get_by_text("A demo: look at everything.")).to_be_visible()
        page.keyboard.press("k")
        refused = page.locator(".problem")
        expect(refused).to_contain_text("This is a demo: decisions are not kept.")
        refused.get_by_role("button", name="Discard").click()
        assert Project.open(home / "fashion").decisions().empty

        page.goto(f"{url}/home?new=1")
        expect(page.get_by_text("This is a demo: install Turnover")).to_be_visible()
        expect(page.get_by_test_id("stFileUploader")).to_have_count(0)

        page.goto(f"{url}/history?project=fashion")
        settled(page)
        page.get_by_text("Train a run").click()
        page.locator(".st-key-fit_go button").click()
        expect(page.get_by_text(re.compile("This is a demo: nothing is computed"))).to_be_visible()
        assert not list(home.glob("*/jobs/*"))
        assert page.outside == []


def test_uploads_are_bounded_and_strange_names_refused(url):
    upload = "/_stcore/upload_file/nobody/file"
    # The length is enough to refuse it: a body still on its way would meet a closed connection.
    assert answered(url, "PUT", upload, {"Content-Length": str((2 << 20) + 1)}) == 413
    # Let through by the bound, refused since nobody opened a page.
    assert answered(url, "PUT", upload, {"Content-Length": "100"}, bytes(100)) in (400, 403)
    assert answered(url, "GET", "/", {"Host": "evil.example.org"}) == 403
    assert answered(url, "GET", "/_stcore/health") == 200


def answered(url, method, path, headers=None, body=b""):
    """The status that the server gives to these headers, followed by this body."""
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=600)) as connection:
        connection.putrequest(method, path, skip_host="Host" in (headers or {}))
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders(body)
        with connection.getresponse() as answer:
            return answer.status


def test_what_a_page_does_not_offer_is_refused_below_it(monkeypatch, tmp_path):
    monkeypatch.setenv("TURNOVER_DEMO", settings()["TURNOVER_DEMO"])
    with pytest.raises(StoreError, match="This is a demo"):
        start(tmp_path, ["train", "x"], title="Train")
    with pytest.raises(StoreError, match="This is a demo"):
        create(NewProject(str(tmp_path / "x.csv")), tmp_path)
    assert not list(tmp_path.iterdir())
