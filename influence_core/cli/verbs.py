"""Which verb lives in which module, so that the list of verbs loads none of them.

`turnover --help` and a mistyped verb answer from this table; a module, with the libraries that it
needs, is imported when one of its verbs is called. To add a verb, add its line here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import typer.main
from typer.core import TyperCommand, TyperGroup

from influence_core.visible import visible

_UsageError: Any = typer.BadParameter.__bases__[0]  # Typer's own, for which it has no public name

# Verb: its module under `cli`, and the first line of its help; in the order of the help.
VERBS = {
    "app": ("serve", "Serve the dashboard."),
    "new": ("new", "Make a project from data of your own."),
    "check": ("check", "Say what is wrong with a data set, and end with 4 if a rule is broken."),
    "train": (
        "train.train",
        "Train once: a head on the frozen encoder, or with --mode finetune the whole network.",
    ),
    "projects": (
        "look",
        "List the projects of the home, with their newest run and what was found about it.",
    ),
    "errors": ("look", "List the items that the model gets wrong, the worst first."),
    "explain": ("ask.explain", "Show which training rows helped and which harmed one item."),
    "causes": (
        "ask.causes",
        "Say which kinds of training rows are behind a group of errors, all of them by default.",
    ),
    "slices": (
        "ask.slices",
        "Find parts of the data on which the model does worse than their classes explain.",
    ),
    "predict": (
        "train.train",
        "Predict the rows that came without labels, and write class and probability to a file.",
    ),
    "verify": (
        "ask.verify",
        "Retrain without the rows behind an answer, beside random ones, and say what changed.",
    ),
    "labels": (
        "clean.labels",
        "List training rows whose label is suspicious, the most suspicious first; or copies.",
    ),
    "decide": (
        "clean.labels",
        "Write decisions from a file: all of it, or nothing if a line is bad.",
    ),
    "decisions": (
        "clean.decisions",
        "Write all decisions to a file, or say how far the reviewers are.",
    ),
    "cleanse": (
        "clean.cleanse",
        "Find training rows that harm the target split and keep the list for `turnover export`.",
    ),
    "trial": (
        "clean.cleanse",
        "Retrain with and without the rows of a cleansing, beside nothing and random rows.",
    ),
    "score": (
        "clean.score",
        "Retrain with the decisions so far, and say how far they move the accuracy.",
    ),
    "export": (
        "clean.export",
        "Write the cleansed training set, or another split as it was decided, in its own format.",
    ),
    "report": (
        "clean.export",
        "Write one self-contained HTML page about a cleansing, to send to a colleague.",
    ),
    "evaluate": ("ask.trust", "Measure how far the scores can be believed on this very data."),
    "estimators": (
        "ask.trust",
        "Say what each estimator does, where it comes from, and what it was measured to be worth.",
    ),
    "encode": (
        "train.train",
        "Make the features that training needs; stopped, it goes on from there the next time.",
    ),
    "publish": (
        "train.publish",
        "Show a model of your own, by its probabilities or out of a turn-over checkpoint.",
    ),
    "map": (
        "ask.map",
        "Place the training rows on a map of two dimensions (UMAP of the encoder's features).",
    ),
    "jobs": ("jobs", "List the jobs of a project; cancel or resume one."),
    "separate": (
        "jobs",
        "Give a copied project folder decisions of its own, those so far included.",
    ),
    "trust": (
        "jobs",
        "Let a project's settings name the database of its decisions; look at the address before.",
    ),
    "doctor": (
        "serve",
        "Say what this installation is, what is missing in it, and how to get that.",
    ),
    "mcp": (
        "serve",
        "Serve the verbs to an agent over standard input and output (Model Context Protocol).",
    ),
    "audit": (
        "train.network",
        "Show whether a row's flipped side reads anything that the row has taught.",
    ),
}


class Verbs(TyperGroup):
    """The group of all verbs; one is imported when it is called, not when it is listed.

    What was typed wrongly is said with its hidden characters written out: a shell's `*` types the
    names of files, which anybody may have chosen.
    """

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """What is read of the arguments before a verb is known."""
        with _visible_usage():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """What is read of a verb's own arguments, and the verb."""
        with _visible_usage():
            return super().invoke(ctx)

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the help."""
        return [*VERBS, *(name for name in self.commands if name not in VERBS)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A verb as the help needs it: its name and its line."""
        if cmd_name in VERBS and cmd_name not in self.commands:
            return TyperCommand(cmd_name, help=VERBS[cmd_name][1])
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """A verb as it is called: with its module imported."""
        if args and args[0] in VERBS and args[0] not in self.commands:
            self.commands[args[0]] = loaded(args[0])
        return super().resolve_command(ctx, args)


@contextmanager
def _visible_usage() -> Iterator[None]:
    try:
        yield
    except _UsageError as error:
        error.message = visible(error.message)
        raise


def loaded(verb: str) -> TyperCommand:
    """The command of a verb, whose module is imported."""
    from influence_core.cli.common import app

    import_module(f"influence_core.cli.{VERBS[verb][0]}")
    commands: dict[str, TyperCommand] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return commands[verb]
