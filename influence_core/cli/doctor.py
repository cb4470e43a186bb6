"""The verb `doctor`."""

from dataclasses import asdict

import typer
from rich.markup import escape

from influence_core.cli.common import JsonOption, app, out, print_json, verb

MARKS = {"ok": "[green]ok[/green]      ", "optional": "optional", "wrong": "[red]wrong[/red]   "}


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
