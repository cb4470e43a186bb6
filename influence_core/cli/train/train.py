"""The verbs train, encode and predict."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from influence_core.cli.common import (
    DeviceOption,
    JsonOption,
    ProjectArgument,
    RayOption,
    RunOption,
    announce,
    app,
    bar,
    find_project,
    keep_result,
    out,
    print_checks,
    print_json,
    run_json,
    stoppable,
    verb,
)
from influence_core.cli.train import network
from influence_core.cli.train.then import ThenOption, check_steps, follow
from influence_core.store.project import Project
from influence_core.training.heads.presets import PRESETS, STANDARD
from influence_core.training.networks.accelerator import first_process
from influence_core.workflow.cluster.cluster import perhaps_connected
from influence_core.workflow.expected import training_text
from influence_core.workflow.projects.findings import unread_texts
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, encode, train
from influence_core.workflow.train.network import train_network
from influence_core.workflow.train.predict import check_target, predict, write_predictions


@app.command("train")
@verb
def train_verb(
    project: ProjectArgument,
    size: Annotated[
        str | None,
        typer.Option(
            help="; ".join(f"{n}: {p.good_for}" for n, p in PRESETS.items())
            + f"; {STANDARD} by default."
        ),
    ] = None,
    members: Annotated[
        int | None, typer.Option(min=1, help="Heads side by side; by the size.")
    ] = None,
    width: Annotated[
        int | None, typer.Option(min=1, help="Hidden units of a head; by the size.")
    ] = None,
    p: Annotated[float, typer.Option(help="Share of units on a row's learned side.")] = 0.5,
    epochs: Annotated[int | None, typer.Option(min=1, help="By default found by itself.")] = None,
    seed: Annotated[int, typer.Option(help="Of start, masks and batch order.")] = 0,
    device: DeviceOption = "auto",
    mode: network.ModeOption = "head",
    encoder: network.EncoderOption = None,
    turnover_layers: network.LayersOption = None,
    twins: network.TwinsOption = None,
    batch: network.BatchOption = None,
    lr: network.RateOption = None,
    patience: network.PatienceOption = None,
    watch: network.WatchOption = None,
    precision: network.PrecisionOption = None,
    ray: RayOption = None,
    then: ThenOption = None,
    json: JsonOption = False,
) -> None:
    """Train once: a head on the frozen encoder, or with --mode finetune the whole network."""
    choices = network.NetworkChoices(
        encoder, turnover_layers, twins, batch, lr, patience, watch, precision
    )
    steps = check_steps(then)
    network.check(mode, choices, size=size, members=members, width=width, ray=ray)
    speaks = first_process()  # of several under `accelerate launch`
    with bar(json or not speaks) as tell, stoppable() as cancel:
        opened = find_project(project)
        if mode == "finetune":
            settings = choices.options(epochs=epochs, p=p, seed=seed, device=device)
            run = train_network(opened, settings, progress=tell, cancel=cancel, announce=announce)
        else:
            options = TrainOptions.of_size(
                size or STANDARD, members, width, p=p, epochs=epochs, seed=seed, device=device
            )
            announce(training_text(opened, options))
            with perhaps_connected(ray) as cluster:
                run = train(opened, options, progress=tell, cancel=cancel, cluster=cluster)
        if speaks:
            keep_result(run=run.id)
            follow(Project.open(opened.root), run.id, steps, tell, cancel)
    if not speaks:
        return
    if json:
        print_json({"run": run.id, **run_json(run)})
        return
    out.print(f"Run [bold]{run.id}[/bold]")
    for name, value in run.record.metrics.items():
        out.print(f"  {name} {value:.4g}")
    print_checks(run)


EncodersOption = Annotated[
    list[str] | None,
    typer.Option(
        "--encoder",
        help="Compare these encoders on the project's data (say it several times); one alone is "
        "compared with the project's own.",
    ),
]


@app.command("encode")
@verb
def encode_verb(
    project: ProjectArgument,
    encoder: EncodersOption = None,
    device: DeviceOption = "auto",
    ray: RayOption = None,
    json: JsonOption = False,
) -> None:
    """Make the features that training needs; stopped, it goes on from there the next time."""
    if encoder:
        if ray is not None:
            raise typer.BadParameter("encoders are compared on this machine", param_hint="--ray")
        _compare(project, encoder, device, json)
        return
    with bar(json) as tell, stoppable() as cancel:
        opened = find_project(project)
        with perhaps_connected(ray) as cluster:
            opened = encode(opened, device=device, progress=tell, cancel=cancel, cluster=cluster)
    keep_result(project=opened.root.name)
    rows = {split.name: len(split) for split in opened.dataset}
    hints = _hints(opened, [opened.settings.encoder])
    if json:
        print_json({"encoder": opened.settings.encoder, "rows": rows, "findings": hints})
        return
    sizes = ", ".join(f"{count:,} {escape(name)}" for name, count in rows.items())
    out.print(f"Encoded by {escape(opened.settings.encoder)}: {sizes}")
    _print_hints(hints)


def _hints(project: Project, encoders: list[str]) -> list[dict[str, str]]:
    """What these encoders do not know of the texts."""
    found = [one for name in encoders for one in unread_texts(project.dataset, name)]
    return [{"severity": f.severity, "what": f.what, "advice": f.advice} for f in found]


def _print_hints(hints: list[dict[str, str]]) -> None:
    for hint in hints:
        out.print(escape("{severity}: {what} {advice}".format(**hint)), soft_wrap=True)


def _compare(project: str, encoders: list[str], device: str, json: bool) -> None:
    from influence_core.workflow.train.runs.compare_encoders import compare_encoders, verdict

    with bar(json) as tell, stoppable() as cancel:
        opened = find_project(project)
        if len(set(encoders)) == 1:
            encoders = [*encoders, opened.settings.encoder]
        found = compare_encoders(opened, encoders, device=device, progress=tell, cancel=cancel)
    keep_result(project=opened.root.name)
    hints = _hints(opened, [score.encoder for score in found])
    if json:
        scores = [asdict(score) for score in found]
        print_json({"encoders": scores, "verdict": verdict(found), "findings": hints})
        return
    for score in found:
        out.print(
            f"{escape(score.encoder)}: {score.accuracy:.1%} (± {score.error:.1%}) right on "
            f"{escape(score.split)}, wrong labels found with an average precision of "
            f"{score.label_ap:.2f}, {score.seconds:.2g} seconds a thousand rows",
            soft_wrap=True,
        )
    out.print(escape(verdict(found)), soft_wrap=True)
    _print_hints(hints)


@app.command("predict")
@verb
def predict_verb(
    project: ProjectArgument,
    target: Annotated[Path | None, typer.Option("--out", help="CSV or Parquet file.")] = None,
    split: Annotated[
        str | None, typer.Option(help="Which split without labels; all by default.")
    ] = None,
    run: RunOption = None,
    device: DeviceOption = "auto",
    spreadsheet_safe: Annotated[
        bool,
        typer.Option("--spreadsheet-safe", help="CSV: guard against formulas; this changes text."),
    ] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace a file that is there.")] = False,
    json: JsonOption = False,
) -> None:
    """Predict the rows that came without labels, and write class and probability to a file."""
    if target is None:
        raise typer.BadParameter("name the file to make, .csv or .parquet", param_hint="--out")
    check_target(target, overwrite=overwrite)
    with bar(json) as tell, stoppable() as cancel:
        session = open_session(find_project(project), run, device)
        table = predict(session, split, progress=tell, cancel=cancel)
        write_predictions(table, target, spreadsheet_safe=spreadsheet_safe)
    keep_result(predictions=str(target))
    rows = {str(name): int(count) for name, count in table["split"].value_counts().items()}
    if json:
        print_json({"out": target, "run": session.run.id, "rows": rows})
        return
    parts = ", ".join(f"{count:,} of {name}" for name, count in rows.items())
    out.print(escape(f"{target}: predicted {parts} by run {session.run.id}."), soft_wrap=True)
