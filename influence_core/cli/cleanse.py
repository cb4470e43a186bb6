"""The verbs of cleansing: cleanse, export.

Exit codes for pipelines: 0 done (`cleanse --try`: it helps), 1 refused with a sentence on standard
error, 2 wrong usage, 3 `cleanse --try` found no evidence that it helps.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from influence_core.cleansing.choose import Candidates, Rule, Selection, choose, warnings_of
from influence_core.cleansing.choose import class_changes as changes_of
from influence_core.cleansing.rounds import Plan, best_round
from influence_core.cli.common import (
    DeviceOption,
    JsonOption,
    ProjectArgument,
    RunOption,
    app,
    bar,
    find_project,
    out,
    print_json,
    verb,
)
from influence_core.influence import DEFAULT_ESTIMATOR, ESTIMATORS
from influence_core.progress import ProgressFn
from influence_core.store.export_edits import Edit, ExportOptions
from influence_core.store.export_revert import revert
from influence_core.workflow.cleanse import cleanse, ranking, trial
from influence_core.workflow.cleansings import Cleansing, load_cleansing, save_cleansing
from influence_core.workflow.export import edits_of, edits_of_round, export_cleansed
from influence_core.workflow.judge import ALL, Judge
from influence_core.workflow.session import Session, open_session

NO_EVIDENCE = 3


@app.command("cleanse")
@verb
def cleanse_verb(
    project: ProjectArgument,
    judge: Annotated[str | None, typer.Option(help="Split that judges.")] = None,
    part: Annotated[str, typer.Option(help="all, misclassified, or a class of it.")] = ALL,
    drop: Annotated[float, typer.Option(help="Share of the rows to drop at most.")] = 0.1,
    by: Annotated[str, typer.Option(help="rounds, or one shot: fraction, count, fdr.")] = "rounds",
    step: Annotated[float, typer.Option(help="Share of the rows a round drops.")] = 0.02,
    patience: Annotated[
        int, typer.Option(min=0, help="Rounds without improvement before it stops; 0: go on.")
    ] = 2,
    estimator: Annotated[
        str, typer.Option(help=f"One of {', '.join(ESTIMATORS)}.")
    ] = DEFAULT_ESTIMATOR,
    try_it: Annotated[bool, typer.Option("--try", help="Retrain beside two controls.")] = False,
    seeds: Annotated[int, typer.Option(min=2, help="Retrainings of each arm.")] = 10,
    run: RunOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Find training rows that harm the judge and keep the list for `turnover export`."""
    session = open_session(find_project(project), run, device)
    question = Judge(judge or session.project.settings.judge, part)
    with bar(json) as tell:
        plan = Plan(min(step, drop), drop, patience) if by == "rounds" else None
        edits, selection = _found(session, question, estimator, plan, Rule(by, drop), tell)
        kept = save_cleansing(session, Cleansing(question, estimator, by, tuple(edits)))
        result = None
        if try_it and edits:
            others = [s for s in session.project.dataset.splits if s != "train"]
            result = trial(session, selection, others, seeds=seeds, progress=tell)
    changes = changes_of(session.evidence.labels.cpu().numpy(), selection, session.classes)
    said = warnings_of(selection, changes, len(session.evidence), one_shot=by != "rounds")
    helps = result is None or any(
        none.low > 0 and random.low > 0
        for name, (none, random) in result.differences.items()
        if name != question.split
    )
    if json:
        print_json(
            {
                "cleansing": kept,
                "removed": len(selection.removed),
                "warnings": said,
                "verdicts": {} if result is None else result.verdicts,
                "rows": [edit.to_json() for edit in edits],
            }
        )
    else:
        _print(session, edits, said, {} if result is None else result.verdicts, kept)
    if not helps:
        raise typer.Exit(NO_EVIDENCE)


def _found(
    session: Session, judge: Judge, name: str, plan: Plan | None, rule: Rule, tell: ProgressFn
) -> tuple[list[Edit], Selection]:
    reason = f"harms {judge.split}/{judge.part} by {name}"
    if plan is not None:
        state = best_round(cleanse(session, judge, plan, name, progress=tell))
        return edits_of_round(session, state, reason), Selection(state.removed)
    found = ranking(session, judge, name, progress=tell)
    selection = choose(Candidates(found.score, found.p_values()), [rule])
    return edits_of(session, selection, reason, found), selection


def _print(
    session: Session, edits: list[Edit], said: list[str], verdicts: dict[str, str], kept: str
) -> None:
    rows = len(session.evidence)
    out.print(f"{len(edits):,} of {rows:,} rows harm the judge; kept as cleansing {kept}")
    for edit in edits[:10]:
        score = "" if edit.score is None else f"{edit.score:+.3g}"
        out.print(f"  {escape(edit.id)}  {escape(str(edit.old_label))}  {score}")
    for sentence in (*said, *verdicts.values()):
        out.print(escape(sentence))
    out.print(f"Next: turnover export {escape(session.project.root.name)} --out clean.csv")


@app.command("export")
@verb
def export_verb(
    project: Annotated[
        str | None, typer.Argument(help="Project folder or name; not needed with --revert.")
    ] = None,
    target: Annotated[Path | None, typer.Option("--out", help="File or folder to make.")] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="csv, parquet, hf or folder.")
    ] = None,
    cleansing: Annotated[
        str | None, typer.Option(help="Id of a cleansing; the newest by default.")
    ] = None,
    revert_manifest: Annotated[
        Path | None, typer.Option("--revert", help="Manifest of an export to take back.")
    ] = None,
    spreadsheet_safe: Annotated[
        bool, typer.Option(help="Guard against formulas; this changes text.")
    ] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace an earlier export.")] = False,
    json: JsonOption = False,
) -> None:
    """Write the cleansed training set in its own format, or take an export back."""
    if target is None:
        raise typer.BadParameter("give the file or folder to make", param_hint="--out")
    if revert_manifest is not None:
        manifest = revert(revert_manifest, target, overwrite=overwrite)
        told: dict[str, Any] = {"reverted": target, "from": revert_manifest}
    else:
        if project is None:
            raise typer.BadParameter("name a project", param_hint="PROJECT")
        session = open_session(find_project(project))
        edits = load_cleansing(session.project, cleansing).edits
        options = ExportOptions(spreadsheet_safe=spreadsheet_safe, overwrite=overwrite)
        manifest = export_cleansed(session, edits, target, form, options)
        told = {"out": target, **manifest.counts}
    if json:
        print_json({**told, "sha256": manifest.sha256})
    else:
        out.print(f"{escape(str(target))}: {escape(str(told))}")
        for note in manifest.notes:
            out.print(escape(note))
