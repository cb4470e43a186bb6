"""An item is opened through the proxy of deploy/nginx.conf: the page's WebSocket passes.

By a public name, since Streamlit lets every page of 127.0.0.1 in, however the proxy names it.
"""

from urllib.parse import urlsplit

import browser
import pytest
from browser import chromium, needs_chromium, server, settled
from proxy import NGINX, nginx
from visitor import handshake

NAME = "data.example.org"
pytestmark = [
    pytest.mark.browser,
    needs_chromium,
    pytest.mark.skipif(NGINX is None, reason="no nginx: apt-get install nginx"),
]


@pytest.fixture
def address(tmp_path, monkeypatch):
    rules = f"--host-resolver-rules=MAP {NAME} 127.0.0.1"
    monkeypatch.setattr(browser, "FLAGS", [*browser.FLAGS, rules])
    with (
        server(tmp_path / "home", STREAMLIT_SERVER_ALLOWED_HOSTS=NAME) as url,
        nginx(url, tmp_path) as port,
    ):
        yield f"http://{NAME}:{port}"


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
