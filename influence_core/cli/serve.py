"""The verbs of an installation: app, which must not wait for libraries that the dashboard loads
itself, mcp, and doctor."""

import os
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from influence_core.cli.common import JsonOption, app, out, print_json, verb
from influence_core.errors import StoreError
from influence_core.installed import dashboard_root, serve_command

MARKS = {"ok": "[green]ok[/green]      ", "optional": "optional", "wrong": "[red]wrong[/red]   "}


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
    # Streamlit takes this process over, so that a stop from systemd, a container or `kill` reaches
    # it and none is left.
    os.chdir(root)
    sys.stdout.flush()
    os.execv(sys.executable, serve_command(host, port))


@app.command("mcp")
@verb
def mcp_verb(
    write: Annotated[
        bool, typer.Option("--write", help="Let the agent decide on rows and write new files.")
    ] = False,
) -> None:
    """Serve the verbs to an agent over standard input and output (Model Context Protocol)."""
    try:
        from influence_core.cli.agent import server
    except ImportError as error:
        raise StoreError(
            "turnover mcp needs the extra mcp; turnover doctor says how to get it."
        ) from error
    server(write=write).run("stdio")


@app.command("doctor")
@verb
def doctor_verb(json: JsonOption = False) -> None:
    """Say what this installation is, what is missing in it, and how to get that."""
    from influence_core.workflow.doctor import doctor

    found = doctor()
    if json:
        print_json([asdict(line) for line in found])
    else:
        for line in found:
            advice = f"; {line.advice}" if line.advice else ""
            out.print(
                f"{MARKS[line.state]}  {escape(line.name)}: {escape(line.what + advice)}",
                highlight=False, soft_wrap=True,
            )  # fmt: skip
    if any(line.state == "wrong" for line in found):
        raise typer.Exit(1)
