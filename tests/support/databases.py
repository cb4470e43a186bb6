"""Real databases for tests of reviews: a SQLite file, and PostgreSQL where a server runs."""

import os
import secrets
import shutil
import subprocess
from contextlib import contextmanager

import pytest

VARIABLE = "TURNOVER_TEST_POSTGRES"  # URL of an empty database, for machines without root


def _as_postgres(statement):
    command = ["psql", "-v", "ON_ERROR_STOP=1", "-qc", statement]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]
    return subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)


@contextmanager
def postgres():
    """URL of a new database that is dropped afterwards; skips where there is no server."""
    given = os.environ.get(VARIABLE)
    if given:
        yield given
        return
    if shutil.which("psql") is None or _as_postgres("SELECT 1").returncode:
        pytest.skip(f"no PostgreSQL server that can be used; start one or set {VARIABLE}")
    name = f"turnover_test_{secrets.token_hex(4)}"
    made = [
        _as_postgres(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'"),
        _as_postgres(f"CREATE DATABASE {name} OWNER {name}"),
    ]
    assert not any(step.returncode for step in made), [step.stderr for step in made]
    try:
        yield f"postgresql://{name}:{name}@localhost/{name}"
    finally:
        _as_postgres(f"DROP DATABASE {name} WITH (FORCE)")
        _as_postgres(f"DROP ROLE {name}")
