"""What all verbs share: the Typer app, errors as one sentence, projects by name, tables, bars.

A long verb does `with bar(json) as tell, stoppable() as cancel:` and hands both on; that is all it
takes to be a job too.
"""

import functools
import json
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from influence_core.cli.verbs import Verbs
from influence_core.disk.names import find_folder, projects_home
from influence_core.errors import CancelledError, TurnoverError
from influence_core.jobs.report import (
    at_work,
    job_folder,
    job_progress,
    keep_error,
    watching_runner,
)
from influence_core.jobs.report import keep_result as keep_result  # noqa: PLC0414  (verbs use it)
from influence_core.progress import Progress, ProgressFn
from influence_core.visible import visible, visible_json

if TYPE_CHECKING:
    import pandas as pd

    from influence_core.store.project import Project
    from influence_core.store.runs import Run

CANCELLED_CODE = 130  # what a shell gives for Ctrl-C

# Options by their old names, which are still understood but shown nowhere.
OLD_OPTIONS = {"trunk": "encoder", "judge": "target-split"}

F = TypeVar("F", bound=Callable[..., Any])


class _Terminal(Console):
    """Prints text of users: nothing in it steers the terminal, and `:smile:` stays what it is."""

    def render_str(self, text: str, **kwargs: Any) -> Text:
        """Every string that is printed, and every cell of a table, comes by here."""
        return super().render_str(visible(text), **{**kwargs, "emoji": False})


app = typer.Typer(
    name="turnover",
    cls=Verbs,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"token_normalize_func": lambda name: OLD_OPTIONS.get(name, name)},
)
out = _Terminal()
err = _Terminal(stderr=True)

ProjectArgument = Annotated[
    str, typer.Argument(help="Project folder, or its name in the home of projects.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")]
RayOption = Annotated[
    str | None, typer.Option(help="Work on a Ray cluster: its address, or auto for one here.")
]
SplitOption = Annotated[str, typer.Option(help="Whose rows: train, valid, test …")]
RunOption = Annotated[str | None, typer.Option(help="Run id; the newest run by default.")]


def verb(function: F) -> F:
    """Print an error of ours as its one sentence and end with 1; with 130 if it was stopped."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            with at_work():
                return function(*args, **kwargs)
        except CancelledError as error:
            err.print(escape(str(error)), soft_wrap=True)
            raise typer.Exit(CANCELLED_CODE) from error
        except TurnoverError as error:
            keep_error(str(error))
            err.print(f"[red]Error:[/red] {escape(str(error))}", soft_wrap=True)
            raise typer.Exit(1) from error

    return guarded  # type: ignore[return-value]


@app.callback(invoke_without_command=True)
def turnover(
    ctx: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """See which training rows helped and harmed, fix the data, prove that it got better."""
    if show_version:
        out.print(f"turnover {version('turnover')}", highlight=False)
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        out.print(ctx.get_help())


def find_project(name: str) -> "Project":
    """A project by folder or by name, opened.

    Raises:
        StoreError: neither exists, or it cannot be opened.
    """
    from influence_core.store.project import Project

    _bring_sample(name)
    return Project.open(find_folder(name))


def _bring_sample(name: str) -> None:
    """Copy the samples to the home, as the dashboard does, where one is asked for before that."""
    from influence_core.installed import sample_names, sample_root

    root = sample_root()
    if root and name in sample_names() and not (projects_home() / name).exists():
        from influence_core.store.samples import install_samples

        install_samples(projects_home(), root)


def announce(expected: str | None) -> None:
    """Say on standard error what long work will take, before it begins."""
    if expected:
        err.print(expected, highlight=False, soft_wrap=True)


def run_json(run: "Run") -> dict[str, Any]:
    """What machines read of a new run, beside its id."""
    audited = run.record.isolation and asdict(run.record.isolation)
    return {
        "metrics": run.record.metrics,
        "isolation": audited,
        "finding": run.record.finding,
    }


def print_checks(run: "Run") -> None:
    """What the isolation audit found of a new run, and what it must be doubted for."""
    if run.record.isolation:
        out.print(f"  audit: {escape(run.record.isolation.headline)}")
    if run.record.finding:
        out.print(escape(run.record.finding))


@contextmanager
def bar(quiet: bool = False) -> Iterator[ProgressFn]:
    """Progress on standard error, a bar a stage; nothing when output is for machines.

    In a job the progress goes to the job's folder as well.
    """
    listeners: list[ProgressFn] = []
    in_job = job_progress()
    if in_job is not None:
        listeners.append(in_job)
    with ExitStack() as stack:
        if not quiet and sys.stderr.isatty():
            listeners.append(stack.enter_context(_drawn()))

        def tell(event: Progress) -> None:
            for listener in listeners:
                listener(event)

        yield tell


@contextmanager
def _drawn() -> Iterator[ProgressFn]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=err) as drawn:
        tasks: dict[str, Any] = {}

        def tell(event: Progress) -> None:
            name = f"{event.stage} {event.message}".strip()
            if name not in tasks:
                tasks[name] = drawn.add_task(visible(name), total=event.total)
            drawn.update(tasks[name], completed=event.done, total=event.total)

        yield tell


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """An event that Ctrl-C, SIGTERM and the Cancel of a job set; hand it on as `cancel=`.

    A second Ctrl-C ends the process at once.
    """
    cancel = threading.Event()

    def stop(number: int, frame: object) -> None:
        if cancel.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        cancel.set()

    with ExitStack() as stack:
        # Only the main thread may set handlers; elsewhere (a test, a server) the event is plain.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                stack.callback(signal.signal, number, signal.signal(number, stop))
        if job_folder() is not None:
            stack.enter_context(watching_runner(cancel))
        yield cancel


def print_json(value: Any) -> None:
    """One JSON document on standard output; keys stay exact as 16 hex digits."""
    document = json.dumps(_finite(value), ensure_ascii=False, indent=2, default=_plain)
    typer.echo(visible_json(document))


def _finite(value: Any) -> Any:
    """The same with null where a number is none: NaN and infinity are no JSON."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Rows of a table as plain values; NaN becomes null, a key its hex form."""
    from influence_core.data.keys import to_hex

    plain = frame.astype(object).where(frame.notna(), None)
    rows = [{str(k): v for k, v in row.items()} for row in plain.to_dict("records")]
    for row in rows:
        if "key" in row:
            row["key"] = to_hex(row["key"])
    return rows


def print_table(title: str, frame: "pd.DataFrame") -> None:
    """A table; its texts are data and are never read as markup."""
    import pandas as pd

    numbers = [n for n in frame.columns if n != "key" and pd.api.types.is_numeric_dtype(frame[n])]
    rows = [
        [_cell(name, value) for name, value in zip(frame.columns, row, strict=True)]
        for row in frame.itertuples(index=False)
    ]
    print_rows(title, [str(name) for name in frame.columns], rows, numbers)


def print_rows(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[str] = ()
) -> None:
    """A table of cells that are text already; columns of numbers stand to the right."""
    table = Table(title=escape(title), title_justify="left")
    for column in columns:
        table.add_column(escape(column), justify="right" if column in numbers else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    out.print(table)


def _cell(name: str, value: Any) -> str:
    if name == "key":
        from influence_core.data.keys import to_hex

        return to_hex(value)
    if isinstance(value, float):
        return (
            "" if math.isnan(value) else f"{value:+.4g}" if name == "influence" else f"{value:.4g}"
        )
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return _finite(value.item()) if hasattr(value, "item") else str(value)
