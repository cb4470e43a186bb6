"""What the command line knows, for tests that hold documents to it."""

import typer.main

from influence_core.cli import app


def command(name):
    """The command of a verb; fails where there is none."""
    return typer.main.get_command(app).commands[name]


def options_of(name):
    return {option for parameter in command(name).params for option in parameter.opts}


def every_option():
    return {option for name in typer.main.get_command(app).commands for option in options_of(name)}
