"""The verbs of cleansing: cleanse, trial.

Exit codes for pipelines: 0 done (with a trial: it helps), 1 refused with a sentence on standard
error, 2 wrong usage, 3 the trial found no evidence that it helps, 130 stopped.
"""

from typing import Annotated

import typer
from rich.markup import escape

from influence_core.cleansing.choose import Rule, Selection, class_changes, warnings_of
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
    print_json,
    print_table,
    records,
    stoppable,
    verb,
)
from influence_core.disk.records import plain
from influence_core.errors import DataError
from influence_core.influence import ESTIMATORS
from influence_core.jobs.report import kept_earlier
from influence_core.workflow.cleanse.cleansings import (
    Cleansing,
    load_cleansing,
    newest_cleansing,
    save_cleansing,
)
from influence_core.workflow.cleanse.find_harm import (
    DECISIONS,
    ROUNDS,
    WAYS,
    CleanseOptions,
    find_harm,
    unfinished_rounds,
)
from influence_core.workflow.cleanse.target_split import ALL, TargetSplit
from influence_core.workflow.cleanse.trial import Trial
from influence_core.workflow.cleanse.trials import FRACTIONS, run_sweep, run_trial, selection_of
from influence_core.workflow.cluster.cluster import perhaps_connected
from influence_core.workflow.expected import cleansing_text, trial_text
from influence_core.workflow.other_splits import need_labelled_splits
from influence_core.workflow.session import Session, open_session

NO_EVIDENCE = 3
SeedsOption = Annotated[int, typer.Option(min=2, help="Retrainings of each arm.")]


@app.command("cleanse")
@verb
def cleanse_verb(
    project: ProjectArgument,
    target_split: Annotated[
        str | None, typer.Option(help="Split that the model should get better on.")
    ] = None,
    part: Annotated[
        str, typer.Option(help="all, misclassified, a class, column=value, or ~words.")
    ] = ALL,
    drop: Annotated[
        float, typer.Option(help="Share of the rows to drop at most; a count or a rate by --by.")
    ] = 0.1,
    by: Annotated[str, typer.Option(help=f"One of {', '.join(WAYS)}.")] = ROUNDS,
    step: Annotated[float, typer.Option(help="Share of the rows a round drops.")] = 0.02,
    patience: Annotated[
        int, typer.Option(min=0, help="Rounds without improvement before it stops; 0: go on.")
    ] = 2,
    decisions: Annotated[
        bool, typer.Option("--decisions", help="Add what reviewers decided; it wins.")
    ] = False,
    also: Annotated[
        list[str] | None,
        typer.Option(help="One more rule for one shot, such as fdr=0.1; rows of any rule go."),
    ] = None,
    estimator: Annotated[
        str, typer.Option(help=f"One of {', '.join(ESTIMATORS)}; by default the project's.")
    ] = "",
    try_it: Annotated[bool, typer.Option("--try", help="Retrain beside two controls.")] = False,
    seeds: SeedsOption = 10,
    run: RunOption = None,
    device: DeviceOption = "auto",
    ray: RayOption = None,
    json: JsonOption = False,
) -> None:
    """Find training rows that harm the target split and keep the list for `turnover export`."""
    session = open_session(find_project(project), run, device)
    name = estimator or session.estimator(many=True, quick=ray is not None)
    question = CleanseOptions(
        TargetSplit(target_split or session.project.settings.target_split, part),
        name, by, drop, step, patience, decisions, tuple(map(_rule, also or [])),
    )  # fmt: skip
    if try_it:  # before anything is searched for
        need_labelled_splits(session.project, "A trial")
    result, rounds = None, unfinished_rounds(session, question)
    announce(cleansing_text(session, question, seeds if try_it else 0))
    with bar(json) as tell, stoppable() as cancel:
        # A job that was ended in its trial and resumed has found and kept its list already.
        kept = str(kept_earlier().get("cleansing", ""))
        before = load_cleansing(session.project, kept) if kept else None
        if before is not None and before.run == session.run.id:
            found = before
        else:  # also where a newer run has come in between, whose list is another
            with perhaps_connected(ray) as cluster:
                found = find_harm(
                    session,
                    question,
                    progress=tell,
                    cancel=cancel,
                    cluster=cluster,
                    begun=rounds,
                )
            kept = save_cleansing(session, found)
        keep_result(cleansing=kept)
        if try_it and found.edits():
            result = run_trial(session, kept, seeds=seeds, progress=tell, cancel=cancel)
    rounds.discard()  # only now: a trial that was ended and is run again has them at once
    selection = selection_of(session, found.edits())
    said = _warnings(session, found, selection)
    verdicts = {} if result is None else result.verdicts
    if json:
        print_json(
            {
                "cleansing": kept,
                "removed": len(selection.removed),
                "relabelled": len(selection.relabelled),
                "warnings": said,
                "verdicts": verdicts,
                "slices": [] if result is None else list(map(plain, result.slices)),
                "rows": [plain(edit) for edit in found.edits()],
            }
        )
    else:
        measured = [] if result is None else [one.sentence() for one in result.slices]
        _print(session, found, [*said, *verdicts.values(), *measured], kept)
    _end(result, question.target)


@app.command("trial")
@verb
def trial_verb(
    project: ProjectArgument,
    cleansing: Annotated[
        str | None, typer.Option(help="Id of a cleansing; the newest by default.")
    ] = None,
    number: Annotated[
        int | None, typer.Option("--round", help="Round to try; the best by default.")
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Try more and more of the rows instead.")
    ] = False,
    shares: Annotated[str, typer.Option(help="Shares of a sweep, comma-separated.")] = ",".join(
        f"{f:g}" for f in FRACTIONS
    ),
    seeds: SeedsOption = 10,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Retrain with and without the rows of a cleansing, beside nothing and random rows."""
    opened = find_project(project)
    name = cleansing or newest_cleansing(opened)
    found = load_cleansing(opened, name)
    session = open_session(opened, found.run or None, device)
    announce(trial_text(session, seeds, len(_shares(shares)) if sweep else 1))
    with bar(json) as tell, stoppable() as cancel:
        keep_result(cleansing=name)
        if sweep:
            table = run_sweep(
                session, name, _shares(shares), seeds=seeds, progress=tell, cancel=cancel
            )
            if json:
                print_json({"cleansing": name, "sweep": records(table)})
            else:
                print_table(f"Sweep of cleansing {name}", table)
            return
        result = run_trial(session, name, number, seeds=seeds, progress=tell, cancel=cancel)
    if json:
        print_json(
            {
                "cleansing": name,
                "verdicts": result.verdicts,
                "table": records(result.table),
                "slices": list(map(plain, result.slices)),
            }
        )
    else:
        for sentence in [*result.verdicts.values(), *(one.sentence() for one in result.slices)]:
            out.print(escape(sentence), soft_wrap=True)
    _end(result, found.target)


def _rule(text: str) -> Rule:
    by, _, amount = text.partition("=")
    if by == DECISIONS:
        raise DataError("Reviewers' decisions are no rule with an amount; say --decisions instead.")
    try:
        return Rule(by, float(amount))
    except ValueError as error:
        raise DataError(f"'{text}' is no rule; write it as fdr=0.1 or count=50.") from error


def _shares(text: str) -> list[float]:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise DataError(f"'{text}' is no list of shares; write them as 0.01,0.02,0.05.") from error
    if not all(0 < share < 1 for share in found):
        raise DataError("A share of the rows lies between 0 and 1, such as 0.01 for 1 %.")
    return found


def _warnings(session: Session, found: Cleansing, selection: Selection) -> list[str]:
    labels = session.evidence.labels.cpu().numpy()
    changes = class_changes(labels, selection, session.classes)
    one_shot = not found.rounds and bool(found.computed)
    return warnings_of(selection, changes, len(labels), one_shot=one_shot)


def _end(result: Trial | None, target: TargetSplit) -> None:
    """Exit with 3 if a trial helped on no split that chose nothing."""
    if result is not None and not any(
        none.low > 0 and random.low > 0
        for name, (none, random) in result.differences.items()
        if name != target.split
    ):
        raise typer.Exit(NO_EVIDENCE)


def _print(session: Session, found: Cleansing, said: list[str], kept: str) -> None:
    edits = found.edits()
    out.print(
        f"{len(edits):,} of {len(session.evidence):,} rows would change; kept as cleansing {kept}"
    )
    for edit in edits[:10]:
        score = "" if edit.score is None else f"{edit.score:+.3g}"
        new = "" if edit.new_label is None else f" → {edit.new_label}"
        out.print(f"  {escape(edit.id)}  {escape(str(edit.old_label))}{escape(new)}  {score}")
    for sentence in said:
        out.print(escape(sentence))
    out.print(f"Next: turnover export {escape(session.project.root.name)} --out clean.csv")
