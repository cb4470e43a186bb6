"""Who visits the server without a browser: cookies, a token, files up and down."""

import http.client
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from urllib.parse import urlsplit

from stream_client import StreamClient


class Visitor:
    """One browser's cookies; with `log_in` those of a user."""

    def __init__(self, url):
        self.url = url
        self.jar = CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self.opener.open(f"{url}/_stcore/health").read()  # sets the token against forged requests

    def cookie(self):
        return "; ".join(f"{one.name}={one.value}" for one in self.jar)

    def token(self):
        return next(one.value for one in self.jar if one.name == "_streamlit_xsrf")

    def stream(self, query="project=reviews", page=""):
        headers = {"Cookie": self.cookie(), "Origin": self.url}
        return StreamClient(self.url, query, page, headers, self.token())

    def log_in(self):
        stream = self.stream()
        answer = stream.click("login")
        stream.close()
        assert answer.redirect
        self.opener.open(self.url + answer.redirect).read()
        return self

    def status(self, path):
        """What a file's address answers."""
        try:
            with self.opener.open(self.url + path) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def upload(self, session, size, name="1", **headers):
        """Send a file of so many bytes; whether it was taken."""
        edge = "turnover"
        head = (
            f'--{edge}\r\nContent-Disposition: form-data; name="f"; filename="a.csv"\r\n'
            "Content-Type: text/csv\r\n\r\n"
        )
        body = head.encode() + b"x" * size + f"\r\n--{edge}--\r\n".encode()
        status = self.send(
            "PUT", f"/_stcore/upload_file/{session}/{name}", body,
            **{"Content-Type": f"multipart/form-data; boundary={edge}", **headers},
        )  # fmt: skip
        assert status in (0, 204, 403, 413), status
        return status == 204

    def send(self, method, path, body=None, **headers):
        """A request as the page would make it, but for these headers; the status.

        0 if the connection was closed while the body was still on its way.
        """
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=600)
        usual = {"Cookie": self.cookie(), "X-Xsrftoken": self.token(), "Origin": self.url}
        try:
            connection.request(method, path, body, {**usual, **headers})
            return connection.getresponse().status
        except (BrokenPipeError, ConnectionResetError):
            return 0
        finally:
            connection.close()


def handshake(url, host, origin):
    """What the server answers to a WebSocket's first words."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=600)
    headers = {
        "Host": host, "Connection": "Upgrade", "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **({} if origin is None else {"Origin": origin}),
    }  # fmt: skip
    connection.request("GET", "/_stcore/stream", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status
