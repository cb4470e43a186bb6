"""A small OpenID Connect provider on this machine: one account, logged in without asking."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from browser import free_port, server
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "turnover", "a secret"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        at = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(at.query).items()}
        base = self.server.address
        if at.path == "/.well-known/openid-configuration":
            self._json(
                {
                    "issuer": base,
                    "authorization_endpoint": f"{base}/authorize",
                    "token_endpoint": f"{base}/token",
                    "jwks_uri": f"{base}/jwks",
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                }
            )
        elif at.path == "/jwks":
            self._json({"keys": [self.server.key.as_dict(private=False)]})
        elif at.path == "/authorize":
            self.server.nonce = asked.get("nonce")
            back = urlencode({"code": "once", "state": asked["state"]})
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri']}?{back}")
            self.end_headers()
        else:
            self.send_error(404)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        now = int(time.time())
        claims = {
            "iss": self.server.address, "sub": "7", "aud": CLIENT, "iat": now, "exp": now + 600,
            "nonce": self.server.nonce, "email": self.server.email, "name": "Ann Reviewer",
        }  # fmt: skip
        header = {"alg": "RS256", "kid": self.server.key.kid}
        token = jwt.encode(header, claims, self.server.key)
        self._json({"access_token": "a", "token_type": "Bearer", "id_token": token})

    def _json(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def oidc_provider(email):
    """Serve until the end of the block; gives the provider's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.key = RSAKey.generate_key(2048, auto_kid=True)
    server.email = email
    server.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.address
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def server_with_login(folder, email, **environment):
    """The dashboard behind a login with such a provider; gives its address."""
    port, secrets = free_port(), folder / "secrets.toml"
    with oidc_provider(email) as provider:
        secrets.write_text(
            f'[auth]\nredirect_uri = "http://127.0.0.1:{port}/oauth2callback"\n'
            f'cookie_secret = "{"x" * 40}"\nclient_id = "{CLIENT}"\nclient_secret = "{SECRET}"\n'
            f'server_metadata_url = "{provider}/.well-known/openid-configuration"\n'
        )
        with server(
            folder / "home", port=port, STREAMLIT_SECRETS_FILES=str(secrets),
            AUTHLIB_INSECURE_TRANSPORT="1",  # the provider of the tests has no TLS
            **environment,
        ) as url:  # fmt: skip
            yield url
