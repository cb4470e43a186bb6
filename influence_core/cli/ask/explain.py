"""The verb that asks about one item: explain, and with --scores all of its scores as a file."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from influence_core.cli.common import (
    DeviceOption,
    JsonOption,
    ProjectArgument,
    RayOption,
    RunOption,
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
from influence_core.data.keys import from_hex
from influence_core.errors import DataError
from influence_core.influence import ESTIMATORS
from influence_core.progress import Progress
from influence_core.workflow.cluster.cluster import perhaps_connected
from influence_core.workflow.explain.all_scores import check_place, write_scores
from influence_core.workflow.explain.explain import Among, ExplainOptions, Explanation, explain
from influence_core.workflow.explain.flipped import judged_by
from influence_core.workflow.explain.items import Item, Toward, find_item, misclassified, own_item
from influence_core.workflow.explain.named import described
from influence_core.workflow.explain.noise import check_noise
from influence_core.workflow.explain.verdict import verdict_of
from influence_core.workflow.other_splits import labelled_splits
from influence_core.workflow.review.scores import doubt_of
from influence_core.workflow.session import Session, open_session

_SHORT = 200  # characters of the content in the line that names it; --json has all of it


@app.command("explain")
@verb
def explain_verb(
    project: ProjectArgument,
    item: Annotated[
        str | None, typer.Option(help="Id or key of the item; the worst error by default.")
    ] = None,
    split: Annotated[
        str, typer.Option(help="Split of the item; by default test, else any other, else train.")
    ] = "",
    text: Annotated[str | None, typer.Option(help="A sentence of your own instead.")] = None,
    image: Annotated[Path | None, typer.Option(help="An image file of your own instead.")] = None,
    estimator: Annotated[
        str, typer.Option(help=f"One of {', '.join(ESTIMATORS)}; by default the project's.")
    ] = "",
    toward: Annotated[
        Toward, typer.Option(help="Which label's loss is asked about.")
    ] = "predicted",
    among: Annotated[Among, typer.Option(help="Which training rows are ranked.")] = "all",
    top: Annotated[int, typer.Option(min=1, help="Rows of each side.")] = 10,
    scores: Annotated[
        Path | None, typer.Option(help="Write the score of every training row to this .npy file.")
    ] = None,
    run: RunOption = None,
    device: DeviceOption = "auto",
    ray: RayOption = None,
    json: JsonOption = False,
) -> None:
    """Show which training rows helped and which harmed one item."""
    if scores is not None and ray is not None:
        raise DataError("--scores is written by this machine alone; leave --ray or --scores out.")
    with bar(json) as tell, stoppable() as cancel:
        session = open_session(find_project(project), run, device)
        target = target_of(session, split or usual_split(session), item, text, image)
        asked = described(session, target) | ({} if image is None else {"image": str(image)})
        chosen = estimator or session.estimator(quick=ray is not None)
        options = ExplainOptions(chosen, toward, among, top)
        if scores is not None:
            check_place(options, scores)

        def told(part: Explanation) -> None:
            if not part.instead_of:  # a pass through the training tells of itself
                tell(Progress("scan", part.scored, part.total))

        with perhaps_connected(ray) as cluster:
            answer = explain(
                session, target, options, keep=scores is not None,
                on_partial=None if scores is None else told,
                progress=tell, cancel=cancel, cluster=cluster,
            )  # fmt: skip
        if scores is not None:
            write_scores(
                session, target, options, scores,
                known=answer.scores, progress=tell, cancel=cancel,
            )  # fmt: skip
    verdict, *_ = verdict_of(session, answer, check_noise(session, answer))
    if scores is not None:
        scores = scores.absolute()  # a job's folder is not that of who reads its result
        keep_result(scores=str(scores))
    doubt = doubt_of(session)
    if json:
        written = {} if scores is None else {"scores": scores}
        print_json(
            {
                "item": _with_labels(session, target, asked),
                "verdict": verdict.plain(),
                "doubt": doubt,
            }
            | _as_json(session, answer)
            | written
        )
        return
    out.print(escape(_first_line(_with_labels(session, target, asked))))
    out.print(escape(verdict.sentence()), soft_wrap=True)
    if doubt:
        out.print(escape(doubt), soft_wrap=True)
    itself = "; the row itself is not ranked" if target.split == "train" else ""
    out.print(
        f"Toward {escape(session.classes[answer.label])}, {escape(options.estimator)}, "
        f"{answer.scored:,} rows on {answer.device} in {answer.milliseconds:.0f} ms{itself}"
    )
    train_split = session.project.dataset.train
    for side, table in (("Helpful (+)", answer.helpful), ("Harmful (−)", answer.harmful)):
        shown = table.drop(columns="stderr") if table["stderr"].isna().all() else table
        if train_split.content_column == "text":
            positions = train_split.positions_of(table["key"].to_numpy())
            shown = shown.assign(text=train_split.texts(positions))
        print_table(side, shown)
    if scores is not None:
        out.print(f"All {len(session.evidence):,} scores: {escape(str(scores))}", soft_wrap=True)


def target_of(
    session: Session,
    split: str,
    item: str | None,
    text: str | None = None,
    image: Path | None = None,
) -> Item:
    """The item that the options of a verb name; the worst error if they name none."""
    if text is not None:
        return own_item(session, text)
    if image is not None:
        try:
            return own_item(session, image.read_bytes())
        except OSError as error:
            raise DataError(f"The image {image} cannot be read ({error.strerror}).") from error
    if item is None:
        wrong = misclassified(session, split)
        if wrong.empty:
            raise DataError(f"No item of split '{split}' is misclassified; name one with --item.")
        return find_item(session, split, int(wrong["key"].iloc[0]))
    data = session.project.dataset.split(split)
    try:
        position = data.ids.index(item) if item in data.ids else data.position(from_hex(item))
    except DataError as error:
        raise DataError(f"Split '{split}' has no item with the id or key '{item}'.") from error
    return find_item(session, split, int(data.keys[position]))


def usual_split(session: Session) -> str:
    """Test, else any other with labels, else the training rows."""
    others = labelled_splits(session.project)
    return "test" if "test" in others else (*others, "train")[0]


def _with_labels(session: Session, item: Item, asked: dict[str, Any]) -> dict[str, Any]:
    """What `described` says of an item, its given label, and what the model makes of it."""
    return asked | {
        "label": None if item.true is None else session.classes[item.true],
        "predicted": session.classes[item.predicted],
        "probability": float(item.proba.max()),
        "by": judged_by(item.split),
    }


def _first_line(asked: dict[str, Any]) -> str:
    """Which item it is, in one line."""
    content = " ".join((asked.get("text") or asked.get("image") or "a picture").split())
    short = content if len(content) <= _SHORT else f"{content[:_SHORT]} …"
    place = "Own item"
    if asked["split"] is not None:
        place = f"Item {asked['id']} of split {asked['split']}, row {asked['row']:,}"
    return (
        f"{place}: given {asked['label'] or 'no label'}, predicted {asked['predicted']} "
        f"({asked['probability']:.1%}) by {asked['by']}: {short}"
    )


def _as_json(session: Session, answer: Explanation) -> dict[str, object]:
    target = answer.item
    return {
        "true": None if target.true is None else session.classes[target.true],
        "predicted": session.classes[target.predicted],
        "proba": dict(zip(session.classes, map(float, target.proba), strict=True)),
        "toward": session.classes[answer.label],
        "estimator": answer.options.estimator,
        "rows_scored": answer.scored,
        "device": answer.device,
        "milliseconds": answer.milliseconds,
        "helpful": records(answer.helpful),
        "harmful": records(answer.harmful),
    }
