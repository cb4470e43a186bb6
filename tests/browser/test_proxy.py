"""An item is opened through the proxy of deploy/nginx.conf: the page's WebSocket passes.

By a public name, since Streamlit lets every page of 127.0.0.1 in, however the proxy names it.
"""

import re
import shutil
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import browser
import pytest
from browser import chromium, free_port, needs_chromium, server, settled, soon
from visitor import handshake

ROOT = Path(__file__).resolve().parents[2]
NAME = "data.example.org"
NGINX = shutil.which("nginx")
pytestmark = [
    pytest.mark.browser,
    needs_chromium,
    pytest.mark.skipif(NGINX is None, reason="no nginx: apt-get install nginx"),
]


def listens(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def address(tmp_path, monkeypatch):
    """The file as it is, but for its ports and the certificate."""
    rules = f"--host-resolver-rules=MAP {NAME} 127.0.0.1"
    monkeypatch.setattr(browser, "FLAGS", [*browser.FLAGS, rules])
    with server(tmp_path / "home", STREAMLIT_SERVER_ALLOWED_HOSTS=NAME) as url:
        port = free_port()
        site = (ROOT / "deploy" / "nginx.conf").read_text()
        site = site.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
        site = re.sub(r"\n\s*ssl_\w+ [^\n]*", "", site)
        site = site.replace("http://127.0.0.1:8501", url)
        temporary = "".join(
            f"{kind}_temp_path {tmp_path}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        file = tmp_path / "nginx.conf"
        file.write_text(
            f"daemon off;\npid {tmp_path}/pid;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{temporary}{site}\n}}\n"
        )
        proxy = subprocess.Popen([NGINX, "-e", str(tmp_path / "log"), "-c", str(file)])
        try:
            soon(lambda: listens(port), True)
            yield f"http://{NAME}:{port}"
        finally:
            proxy.terminate()
            proxy.wait(600)


def test_an_item_is_opened_through_the_proxy(address):
    with chromium() as page:
        page.goto(f"{address}/?project=reviews")
        page.get_by_text("Map of the training data").wait_for()
        settled(page)
        page.get_by_role("button", name="Explain").first.click()
        page.locator(".st-key-helpful_1").wait_for()
        page.locator(".st-key-harmful_1").wait_for()
        assert [url for url in page.outside if not url.startswith(address)] == []


def test_other_names_and_other_pages_are_refused(address):
    name = urlsplit(address).netloc
    local = address.replace(NAME, "127.0.0.1")
    assert handshake(local, name, address) == 101
    assert handshake(local, "stranger.example", "http://stranger.example") == 403
    assert handshake(local, name, "http://stranger.example") == 403
