"""What is turned away before Streamlit sees it: strangers' names and pages, uploads of nobody.

Streamlit checks names on its WebSocket only, takes files from anybody who has opened one, user or
not, and gives media files to anybody who knows their address. `Doors` stands before it (`app.py`):

- A stranger's page may point a name of its own at this machine (DNS rebinding) and would then read
  everything. So a request's `Host` must be this machine, what `--host` says, or a name in
  `STREAMLIT_SERVER_ALLOWED_HOSTS`; and what changes something must come from a page of this host.
- Behind a login, files are taken from and given to browsers whose session has passed it.
- Uploads are kept in memory until their session ends, so each session and the server have a limit.
  So are the words of a page's last message, which before a login may be few only.
"""

import ipaddress
import socket
from collections import defaultdict
from urllib.parse import urlsplit

import streamlit as st
from google.protobuf.message import DecodeError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import runtime
from streamlit.proto.BackMsg_pb2 import BackMsg

from pages.ui.frame.people.login import has_passed, login_configured

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # addresses that mean all of this machine's
UPLOAD, MEDIA = "/_stcore/upload_file/", "/media/"
FULL = "Too much was uploaded: close other pages of the dashboard, or try again later."
# Kinds of messages over the WebSocket that pages use, before a login and behind it.
OPEN_TO_ALL = frozenset({"rerun_script", "stop_script", "app_heartbeat"})
OPEN_TO_USERS = frozenset({"file_urls_request", "deferred_file", "dataframe_chunk"})
MOST_BEFORE_LOGIN = 1 << 16  # bytes of a message; the page with the button sends some hundred
READING = frozenset({"GET", "HEAD", "OPTIONS"})
# In files of the largest size (`server.maxUploadSize`).
MOST_OF_SESSION, MOST_IN_ALL = 2, 5


def host_allowed(host: str | None) -> bool:
    """Whether a `Host` header names this app, by a name that no stranger can give to it."""
    name = _hostname(host)
    if name is None:
        return False
    if name in LOOPBACK or _listed(name):
        return True
    if _address() not in EVERYWHERE:
        return name == _address()
    # Nobody can point an address, as against a name, at another machine.
    return name == socket.gethostname().lower() or _is_address(name)


def origin_allowed(origin: str | None, host: str | None) -> bool:
    """Whether a page of this origin may change something here; programs send none.

    Only our own pages: Streamlit would let those of all local ports in, and ask a service in the
    world for this machine's address before it refuses others.
    """
    return origin is None or origin.partition("://")[2] == host


class Doors:
    """The middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.arriving: dict[str, int] = defaultdict(int)  # bytes on their way, by session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        why = _refusal(scope)
        if scope["type"] == "websocket":
            if why is None:
                await self.app(scope, _filtered(scope, receive), send)
            else:
                await send({"type": "websocket.close", "code": 1008})
        elif why is not None:
            await _refuse(403, why)(scope, receive, send)
        elif scope["method"] == "PUT" and UPLOAD in scope["path"]:
            await self._upload(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = _session(scope["path"])
        length = Headers(scope=scope).get("content-length", "")
        expected = int(length) if length.isdecimal() and len(length) < 16 else 0
        if not self._room(session, expected):
            await _refuse(413, FULL)(scope, receive, send)
            return
        got = 0

        async def counted() -> Message:
            # Its length may be missing or wrong, so what comes is counted.
            nonlocal got
            message = await receive()
            more = len(message.get("body", b""))
            if not self._room(session, more):
                raise HTTPException(413, FULL)
            got += more
            self.arriving[session] += more
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            self.arriving[session] -= got
            if not self.arriving[session]:
                del self.arriving[session]

    def _room(self, session: str, more: int) -> bool:
        """Whether so many bytes fit beside what is kept and what is on its way."""
        storage = runtime.get_instance().uploaded_file_mgr.file_storage  # type: ignore[attr-defined]
        kept = {
            name: sum(len(file.data) for file in list(files.values()))
            for name, files in list(storage.items())
        }
        most = 1024 * 1024 * int(st.get_option("server.maxUploadSize"))
        mine = kept.get(session, 0) + self.arriving.get(session, 0) + more
        everyone = sum(kept.values()) + sum(self.arriving.values()) + more
        return mine <= MOST_OF_SESSION * most and everyone <= MOST_IN_ALL * most


def _refusal(scope: Scope) -> str | None:
    """Why nothing of this request is passed on; None if it may be."""
    headers, path = Headers(scope=scope), scope["path"]
    host = headers.get("host")
    if not host_allowed(host):
        shown = (host or "")[:100].encode("ascii", "replace").decode()
        return (
            f"The dashboard is not served under the name '{shown}'. Open it under the address that "
            "it was started with, or start it with that name in STREAMLIT_SERVER_ALLOWED_HOSTS."
        )
    changes = scope["type"] == "websocket" or scope["method"] not in READING
    if changes and not origin_allowed(headers.get("origin"), host):
        return "Pages of other addresses may not use the dashboard."
    private = (UPLOAD in path or MEDIA in path) and scope.get("method") != "OPTIONS"
    if private and login_configured():
        session = _session(path) if UPLOAD in path else None
        if not has_passed(HTTPConnection(scope).cookies, session):
            return "Log in first."
    return None


def _refuse(status: int, why: str) -> PlainTextResponse:
    # What is still being sent is not read, so the connection cannot be used again.
    return PlainTextResponse(why, status, {"Connection": "close"})


def _filtered(scope: Scope, receive: Receive) -> Receive:
    """Leaves out messages that no page of ours sends, such as the one that empties all caches.

    Who sends too much before a login is cut off.
    """
    cookies = HTTPConnection(scope).cookies

    async def filtered() -> Message:
        while True:
            message = await receive()
            if message["type"] != "websocket.receive" or not message.get("bytes"):
                return message
            user = not login_configured() or has_passed(cookies, None)
            if not user and len(message["bytes"]) > MOST_BEFORE_LOGIN:
                return {"type": "websocket.disconnect", "code": 1009}
            kind = _kind(message["bytes"])
            open_to_all = kind in OPEN_TO_ALL or kind is None  # Streamlit refuses what is broken
            if open_to_all or (user and kind in OPEN_TO_USERS):
                return message

    return filtered


def _kind(data: bytes) -> str | None:
    """What a message asks for; None if it cannot be read."""
    message = BackMsg()
    try:
        message.ParseFromString(data)
    except DecodeError:
        return None
    kind = message.WhichOneof("type")
    if kind == "backend_operation_request":
        return message.backend_operation_request.WhichOneof("payload")
    return kind


def _session(path: str) -> str:
    return path.split(UPLOAD, 1)[1].split("/", 1)[0]


def _listed(name: str) -> bool:
    """Whether the settings name it, or a `*.` that it ends with; a `*` names all."""
    listed = (str(one).strip().lower().rstrip(".") for one in st.get_option("server.allowedHosts"))
    return any(
        one in ("*", name) or (one.startswith("*.") and name.endswith(one[1:])) for one in listed
    )


def _address() -> str:
    return str(st.get_option("server.address") or "").strip().lower()


def _hostname(host: str | None) -> str | None:
    """The name in `name:port`; None if it is none."""
    try:
        parts = urlsplit(f"//{host or ''}")
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    if parts.netloc != host or "@" in host or parts.hostname is None:
        return None
    return parts.hostname.rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
