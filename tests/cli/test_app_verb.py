"""`turnover app` as a service: one process that a stop ends, and that asks nobody anything."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from browser import DIRECT, free_port


def answers(port):
    try:
        DIRECT.open(f"http://127.0.0.1:{port}/_stcore/health", timeout=10).close()
    except OSError:
        return False
    return True


@pytest.fixture
def served(tmp_path):
    """The verb on all addresses, with its port and the file of what it prints."""
    port, log = free_port(), tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "influence_core.cli", "app", "--host", "0.0.0.0",
             "--port", str(port)],
            stdout=file, stderr=subprocess.STDOUT,
            env={**os.environ, "TURNOVER_HOME": str(tmp_path / "home")},
        )  # fmt: skip
    try:
        for _ in range(3000):
            if answers(port):
                break
            time.sleep(0.2)
        else:
            raise RuntimeError(log.read_text())
        yield process, port, log
    finally:
        process.kill()
        process.wait(600)


@pytest.mark.slow
def test_a_stop_ends_the_server_and_not_only_the_verb(served):
    process, port, log = served
    process.send_signal(signal.SIGTERM)
    process.wait(600)
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", port)) != 0
    said = " ".join(log.read_text().split())
    assert "Listening on 0.0.0.0: everyone who reaches this machine" in said
    # Streamlit's welcome would ask checkip.amazonaws.com where this machine is.
    assert "external IP" not in said
    assert "External URL" not in said
