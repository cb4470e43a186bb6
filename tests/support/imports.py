"""An import as the wizard does it, and what must hold whether or not it is refused."""

from damage import prints

from influence_core.data.options import ReadOptions
from influence_core.errors import TurnoverError
from influence_core.store.project import Project
from influence_core.workflow.projects.create import NewProject, create
from influence_core.workflow.projects.preview import first_look, inspect_source


def said(error):
    """An error of ours is a sentence."""
    text = str(error)
    assert text
    assert "Traceback" not in text
    return text


def refusal(call):
    """What a call refused with, in a sentence of ours; None if it went well."""
    try:
        call()
    except TurnoverError as error:
        return said(error)
    return None


def imported(source, home, *, drop_bad=False, **options):
    """The project that came of it, or None; the source and all other projects are as before."""
    asked = ReadOptions(
        label_column=options.get("label"), content_column=options.get("content"),
        id_column=options.get("id_column"), bad_rows="drop" if drop_bad else "refuse",
    )  # fmt: skip
    folder = source if source.is_dir() else source.parent
    before, others = prints(folder), prints(home)
    refusal(lambda: first_look(str(source)))
    refusal(lambda: inspect_source(str(source), asked))
    made = None
    try:
        wish = NewProject(str(source), name="made", options=asked)
        made = create(wish, home)
    except TurnoverError as error:
        said(error)
        assert prints(home) == others
    assert prints(folder) == before
    if made is None:
        return None
    now = prints(home)
    assert {name: now.get(name) for name in others} == others
    # What was written is read back by whoever opens it next.
    again = Project.open(made.root)
    assert again.dataset.fingerprint == made.dataset.fingerprint
    for split in again.dataset:
        assert len(set(split.keys.tolist())) == len(split)
        assert split.labels.min(initial=0) >= 0
        assert split.labels.max(initial=0) < len(again.dataset.classes)
    return again
