"""The verb `app`, which must not wait for libraries that the dashboard loads itself."""

import os
import sys
from typing import Annotated

import typer
from rich.markup import escape

from influence_core.cli.common import app, out, verb
from influence_core.installed import dashboard_root

EVERYWHERE = ("0.0.0.0", "::")


@app.command("app")
@verb
def app_verb(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8501,
) -> None:
    """Serve the dashboard."""
    root = dashboard_root()
    if host not in ("127.0.0.1", "localhost", "::1"):
        out.print(
            f"Listening on {escape(host)}: everyone who reaches this machine can read and decide "
            "in all projects, unless a login is configured."
        )
    # Without its welcome Streamlit asks no service in the world for this machine's address.
    command = [
        sys.executable, "-m", "streamlit", "run", str(root / "app.py"),
        "--server.address", host, "--server.port", str(port),
        "--logger.hideWelcomeMessage", str(host in EVERYWHERE).lower(),
    ]  # fmt: skip
    # Streamlit reads .streamlit/config.toml from the folder that it is started in. It takes this
    # process over, so that a stop from systemd, a container or `kill` reaches it and none is left.
    os.chdir(root)
    sys.stdout.flush()
    os.execv(sys.executable, command)
