"""What is turned away before Streamlit sees it: strangers' names, files of nobody, floods."""

import asyncio
import json
import secrets
import socket
from urllib.parse import urlencode, urlsplit

import pytest
import streamlit as st
from browser import server, soon
from hypothesis import given
from hypothesis import strategies as some
from oidc_provider import server_with_login
from streamlit.proto.BackMsg_pb2 import BackMsg
from tiny import project
from visitor import Visitor, handshake
from websockets.exceptions import ConnectionClosed

from influence_core.store.project import Project
from influence_core.store.reviews.store import open_reviews
from influence_core.workflow.train.head import TrainOptions, train
from pages.ui.frame.people import doors
from pages.ui.frame.people.doors import MOST_IN_ALL, MOST_OF_SESSION, host_allowed, origin_allowed

PATHS = ("/", "/triage", "/_stcore/health", "/_stcore/host-config", "/media/0.png",
         "/component/x/y.js", "/_stcore/bidi-components/x/y.js", "/_stcore/metrics",
         "/static/js/index.js", "/oauth2callback", "/auth/login")  # fmt: skip
LOCAL = ("localhost", "127.0.0.1", "[::1]", "LOCALHOST", "localhost.")


@pytest.fixture
def settings(monkeypatch):
    """The options that say where the server listens, and which names it has."""
    chosen = {"server.address": "127.0.0.1", "server.allowedHosts": []}
    monkeypatch.setattr(st, "get_option", chosen.__getitem__)
    return chosen


def test_this_machine_alone_by_default(settings):
    for name in LOCAL:
        assert host_allowed(name)
        assert host_allowed(f"{name}:8501")
    for name in ("evil.example", "192.168.1.5", "localhost.evil.example", "127.0.0.1.evil.example",
                 "evil.example:8501", "a@localhost", "localhost/x", "localhost:x", "", None,
                 "127.0.0.2", "0.0.0.0", "[::2]", "localhost:99999"):  # fmt: skip
        assert not host_allowed(name), name


def test_what_the_host_option_says_as_well(settings):
    settings["server.address"] = "192.168.1.5"
    assert host_allowed("192.168.1.5:8501")
    assert host_allowed("localhost")
    assert not host_allowed("192.168.1.6")
    for everywhere in ("0.0.0.0", "::", None):
        settings["server.address"] = everywhere
        # Addresses, since a stranger's page can only be reached by its own; names need a setting.
        assert host_allowed("192.168.1.6:8501")
        assert host_allowed("[fe80::1]")
        assert not host_allowed("evil.example")


def test_names_of_the_settings_as_well(settings):
    settings["server.allowedHosts"] = ["data.example.org", "*.lan"]
    for name in ("data.example.org", "DATA.example.org:443", "a.lan", "localhost"):
        assert host_allowed(name)
    for name in ("x.data.example.org", "lan", "evil.example", "evillan"):
        assert not host_allowed(name)
    assert origin_allowed("https://data.example.org", "data.example.org")
    assert not origin_allowed("https://evil.example", "data.example.org")


def test_a_page_of_another_port_or_of_no_address_may_change_nothing(settings):
    assert origin_allowed(None, "localhost:8501")
    assert origin_allowed("http://localhost:8501", "localhost:8501")
    for origin in ("http://localhost:3000", "null", "", "http://", "http://127.0.0.1:8501"):
        assert not origin_allowed(origin, "localhost:8501"), origin


@given(some.text(max_size=30))
def test_no_host_or_origin_is_an_error(text):
    assert host_allowed(text) in (True, False)
    assert origin_allowed(text, text) in (True, False)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with server(tmp_path_factory.mktemp("doors") / "home") as address:
        yield address


def test_every_endpoint_refuses_a_foreign_name(url):
    visitor = Visitor(url)
    port = urlsplit(url).port
    for path in PATHS:
        assert visitor.send("GET", path, Host=f"evil.example:{port}") == 403, path
        assert visitor.send("GET", path, Host=f"localhost:{port}") != 403, path
    for method in ("PUT", "DELETE", "OPTIONS"):
        path = "/_stcore/upload_file/session/1"
        assert visitor.send(method, path, Host="evil.example", Origin="http://evil.example") == 403
    assert handshake(url, f"evil.example:{port}", f"http://evil.example:{port}") == 403
    assert handshake(url, f"evil.example:{port}", None) == 403
    assert handshake(url, f"localhost:{port}", "http://evil.example") == 403
    assert handshake(url, f"localhost:{port}", f"http://localhost:{port}") == 101


FILE = "etc/passwd"
ROOTS = ("/", "/static/", "/media/", "/component/x/", "/_stcore/bidi-components/x/",
         "/_stcore/upload_file/x/", "/app/static/")  # fmt: skip
UP = ("../", "..%2f", "%2e%2e/", "..%5c", "....//", "%252e%252e/")
WAYS_OUT = (
    *(f"{root}{up * 6}{FILE}" for root in ROOTS for up in UP),
    "//etc/passwd", "/static//etc/passwd", "/media/%2fetc%2fpasswd", "/file:///etc/passwd",
    "/static/..%00/etc/passwd", "/app.py", "/.streamlit/secrets.toml", "/pages/errors.py",
)  # fmt: skip


@pytest.mark.parametrize("path", WAYS_OUT)
def test_no_path_leads_to_a_file_of_this_machine(url, path):
    """Sent as it is: clients and browsers would tidy it up."""
    at = urlsplit(url)
    with socket.create_connection((at.hostname, at.port)) as sent:
        sent.sendall(f"GET {path} HTTP/1.0\r\nHost: {at.netloc}\r\n\r\n".encode())
        head, _, body = b"".join(iter(lambda: sent.recv(1 << 16), b"")).partition(b"\r\n\r\n")
    # Addresses that are no file's are the page's own, for which its script then knows no place.
    assert b"<title>Streamlit</title>" in body or b" 200 " not in head.splitlines()[0]
    assert b"import streamlit" not in body
    assert b"root:" not in body


def test_no_address_opens_a_project_or_a_run_that_lies_elsewhere(tmp_path):
    outside = project(tmp_path / "outside", 12)
    run = train(outside, TrainOptions(members=1, width=8, epochs=1, device="cpu")).id
    with server(tmp_path / "home") as url:
        visitor = Visitor(url)
        visitor.stream().close()  # copies the samples
        ways = ["../outside", str(outside.root), "reviews/../../outside", "%2e%2e/outside"]
        for place in (*ways, "..\\outside", ".uploads", "..", ".", "/", "a\0b"):
            stream = visitor.stream(urlencode({"project": place}))
            assert not stream.answer.faults
            assert stream.answer.says("There is no project"), place
            stream.close()
        for place in (f"../../../outside/runs/{run}", f"{outside.root}/runs/{run}", "..", "\0"):
            stream = visitor.stream(urlencode({"project": "reviews", "run": place}))
            assert not stream.answer.faults
            assert stream.answer.says("There is no run"), place
            stream.close()


def test_a_page_of_another_address_uploads_nothing(url):
    visitor = Visitor(url)
    stream = visitor.stream()
    session = stream.answer.session
    assert visitor.upload(session, 10, Origin="http://evil.example") is False
    assert visitor.upload(session, 10)
    stream.close()


def test_uploads_of_a_session_and_of_all_have_a_limit(tmp_path):
    with server(tmp_path / "home", STREAMLIT_SERVER_MAX_UPLOAD_SIZE="1") as url:
        visitor = Visitor(url)
        size = 900_000
        streams = [visitor.stream() for _ in range(4)]
        sessions = [stream.answer.session for stream in streams]
        assert [visitor.upload(sessions[0], size, str(i)) for i in range(3)] == [True, True, False]
        # A part that is not as long as it says is counted as it comes.
        late = iter([b"x" * size])
        path = f"/_stcore/upload_file/{sessions[0]}/9"
        assert visitor.send("PUT", path, late, **{"Content-Type": "multipart/form-data"}) in (
            400, 413,
        )  # fmt: skip
        given = [visitor.upload(s, size, str(i)) for s in sessions[1:] for i in range(2)]
        assert given == [True] * (MOST_IN_ALL - MOST_OF_SESSION) + [False] * 3
        # What is taken away makes room again.
        assert visitor.send("DELETE", f"/_stcore/upload_file/{sessions[0]}/0") == 204
        assert visitor.upload(sessions[2], size, "0")
        for stream in streams:
            stream.close()


def operation(kind, **values):
    message = BackMsg()
    if kind == "deferred_file":
        message.backend_operation_request.deferred_file.file_id = values["file_id"]
        message.backend_operation_request.request_id = "r"
    elif kind in ("clear_cache", "set_run_on_save", "load_git_info"):
        setattr(message, kind, True)
    elif kind == "file_urls_request":
        message.file_urls_request.file_names.append("a.csv")
        message.file_urls_request.request_id = "r"
    elif kind == "install_skills":
        message.backend_operation_request.install_skills.SetInParent()
        message.backend_operation_request.request_id = "r"
    return message


async def passed(message, cookies=""):
    """What of a message comes through the door."""
    sent = iter([{"type": "websocket.receive", "bytes": message.SerializeToString()},
                 {"type": "websocket.disconnect"}])  # fmt: skip

    async def receive():
        return next(sent)

    scope = {"type": "websocket", "headers": [(b"cookie", cookies.encode())]}
    return (await doors._filtered(scope, receive)())["type"] == "websocket.receive"


@pytest.mark.parametrize("login", [True, False])
def test_messages_that_no_page_of_ours_sends_are_left_out(monkeypatch, login):
    monkeypatch.setattr(doors, "login_configured", lambda: login)
    through = {
        kind: asyncio.run(passed(operation(kind, file_id="x")))
        for kind in ("clear_cache", "set_run_on_save", "load_git_info", "install_skills",
                     "deferred_file", "file_urls_request")
    }  # fmt: skip
    assert through == {
        "clear_cache": False, "set_run_on_save": False, "load_git_info": False,
        "install_skills": False, "deferred_file": not login, "file_urls_request": not login,
    }  # fmt: skip
    rerun = BackMsg()
    rerun.rerun_script.query_string = "project=reviews"
    assert asyncio.run(passed(rerun))
    broken = BackMsg()  # for Streamlit to refuse
    assert asyncio.run(passed(broken))


@pytest.mark.parametrize(
    ("login", "size", "through"),
    [(True, 90_000, False), (True, 9_000, True), (False, 90_000, True)],
)
def test_before_a_login_only_small_messages_are_kept(monkeypatch, login, size, through):
    monkeypatch.setattr(doors, "login_configured", lambda: login)
    address, value = BackMsg(), BackMsg()
    address.rerun_script.query_string = "x" * size
    value.rerun_script.widget_states.widgets.add().string_value = "x" * size
    for message in (address, value):
        assert asyncio.run(passed(message)) is through


PAGES = ("home", "", "select", "triage", "cleansing", "evaluation", "history")
VIEWS = ("view=many", "view=copies", "view=map", "new=1", "making=x", "train=reviews", "item=0")


def test_whoever_is_not_logged_in_gets_and_leaves_nothing(tmp_path):
    with server_with_login(tmp_path, "ann@example.org") as url:
        ann, nobody = Visitor(url).log_in(), Visitor(url)
        # What ann sees: her pages, pictures, a download.
        seen = ann.stream("project=fashion")
        assert seen.answer.elements > 50
        assert seen.answer.files
        picture = seen.answer.files[0]
        assert ann.status(picture) == 200
        assert nobody.status(picture) == 403
        labels = ann.stream("project=fashion", "triage")
        assert labels.answer.deferred
        # Without a user: each page is a heading, a sentence and the button, whatever is asked.
        for page in PAGES:
            for query in ("project=fashion", *(f"project=fashion&{view}" for view in VIEWS)):
                stream = nobody.stream(query, page)
                assert list(stream.answer.buttons) == ["login"], (page, query)
                assert stream.answer.elements <= 6
                assert not stream.answer.files + stream.answer.deferred + stream.answer.faults
                stream.close()
        stream = nobody.stream("project=fashion")
        # A download, a fragment and the desk's component, by the ids that ann's session has.
        component, data = labels.answer.components["turnover_desk"]
        download = operation("deferred_file", file_id=labels.answer.deferred[0])
        stream.socket.send(download.SerializeToString())
        for fragment in ("", *labels.answer.fragments):
            stream.tell(component, "client", decision(data), fragment)
            assert list(stream.again().buttons) == ["login"]
        assert events(tmp_path / "home" / "fashion") == []
        labels.tell(component, "client", decision(data))
        soon(lambda: len(events(tmp_path / "home" / "fashion")), 1)  # by ann it is one
        # A message that is too large ends the session that would keep it.
        large = nobody.stream()
        with pytest.raises(ConnectionClosed):
            large.query = "x" * 90_000
            large.again()
        # Files: neither for the own session nor for another's.
        for session in (stream.answer.session, seen.answer.session):
            assert not nobody.upload(session or "none", 10)
            assert nobody.send("DELETE", f"/_stcore/upload_file/{session}/1") == 403
        assert ann.upload(seen.answer.session, 10)
        # A cookie that nobody signed is none.
        forger = Visitor(url)
        cookie = f"{forger.cookie()}; _streamlit_user=forged"
        assert forger.send("GET", picture, Cookie=cookie) == 403
        for client in (seen, labels, stream):
            client.close()


def decision(data):
    """What the desk in the browser would send after the key K."""
    shown = json.loads(data)
    one = {"id": secrets.token_hex(16), "place": shown["place"], "key": shown["cards"][0]["key"],
           "verdict": "keep", "new_label": None, "note": ""}  # fmt: skip
    return {"queue": shown["queue"], "pending": [one]}


def events(folder):
    store = open_reviews(Project.open(folder))
    found = store.events()
    store.close()
    return found
