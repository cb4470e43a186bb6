"""The proxy of deploy/nginx.conf before an app, and a line that is slow."""

import re
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from browser import free_port, soon

ROOT = Path(__file__).resolve().parents[2]
NGINX = shutil.which("nginx")


def listens(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def nginx(url, folder):
    """The port of the proxy before this app; the file as it is, but for ports and certificate."""
    port = free_port()
    site = (ROOT / "deploy" / "nginx.conf").read_text()
    site = site.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    site = re.sub(r"\n\s*ssl_\w+ [^\n]*", "", site)
    site = site.replace("http://127.0.0.1:8501", url)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off;\npid {folder}/pid;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{site}\n}}\n"
    )
    proxy = subprocess.Popen([NGINX, "-e", str(folder / "log"), "-c", str(file)])
    try:
        soon(lambda: listens(port), True)
        yield port
    finally:
        proxy.terminate()
        proxy.wait(600)


class SlowLine:
    """Carries connections to a port, and what comes back at so many bytes a second."""

    def __init__(self, to, pace):
        self.to, self.pace = to, pace
        self.carried = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        with suppress(OSError):  # closed
            while True:
                near, _ = self.listener.accept()
                far = socket.socket()
                # A small window, so that what is not read waits at the sender.
                far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                far.connect(("127.0.0.1", self.to))
                threading.Thread(target=self._there, args=(near, far), daemon=True).start()
                threading.Thread(target=self._back, args=(near, far), daemon=True).start()

    def _there(self, near, far):
        with suppress(OSError):
            while data := near.recv(65_536):
                far.sendall(data)
            far.shutdown(socket.SHUT_WR)

    def _back(self, near, far):
        with suppress(OSError):
            while data := far.recv(max(self.pace // 10, 1)):
                near.sendall(data)
                self.carried += len(data)
                time.sleep(len(data) / self.pace)
        near.close()
