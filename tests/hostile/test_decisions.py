"""Files with decisions, bent in every format: all of it, or one sentence and nothing written."""

import json
import shutil

import pytest
from damage import EDITS, JSON, damaged
from hypothesis import given
from hypothesis import strategies as st
from tiny import project

from influence_core.errors import TurnoverError
from influence_core.store.reviews.store import open_reviews
from influence_core.workflow.exchange.export_rows import export_decisions
from influence_core.workflow.exchange.import_decisions import (
    FORMATS,
    apply_decisions,
    read_decisions,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return project(tmp_path_factory.mktemp("decisions") / "tiny", n=12)


@pytest.fixture(scope="module")
def whole(made, tmp_path_factory):
    """A good file of every format, written by ourselves."""
    folder = tmp_path_factory.mktemp("whole")
    rows = folder / "d.csv"
    classes = made.dataset.classes
    rows.write_text(
        "id,verdict,new_label,note\n"
        + "".join(
            f"train-{i},relabel,{classes[1 - made.dataset.train.labels[i]]},n\n" for i in range(4)
        )
        + "train-5,keep,,\ntrain-6,exclude,,\n"
    )
    apply_decisions(made, read_decisions(made, rows), "ann")
    for form in FORMATS:
        export_decisions(made, folder / form, form)
    return {form: (folder / form).read_bytes() for form in FORMATS}


def events(made):
    store = open_reviews(made)
    found = len(store.events())
    store.close()
    return found


def tried(made, path, form, skip_bad=False):
    """Read and apply; how many were promised, or None if an error of ours came."""
    try:
        found = read_decisions(made, path, form)
        return apply_decisions(made, found, "eve", skip_bad=skip_bad)
    except TurnoverError as error:
        assert str(error)
        assert "Traceback" not in str(error)
        return None


@pytest.mark.parametrize("form", FORMATS)
@given(edits=EDITS, skip_bad=st.booleans())
def test_a_bent_file_is_applied_whole_or_not_at_all(
    made, whole, tmp_path_factory, form, edits, skip_bad
):
    path = tmp_path_factory.mktemp("d") / "d"
    path.write_bytes(damaged(whole[form], edits))
    before = events(made)
    count = tried(made, path, form, skip_bad)
    assert events(made) - before == (count or 0)
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("form", ["jsonl", "label-studio", "argilla"])
@given(shape=JSON, deep=st.integers(0, 3))
def test_json_of_any_shape_is_refused_in_a_sentence(made, tmp_path_factory, form, shape, deep):
    for _ in range(deep):
        shape = [shape] if deep % 2 else {"annotations": [shape], "key": shape, "verdict": shape}
    path = tmp_path_factory.mktemp("j") / "d"
    path.write_text(json.dumps(shape))
    before = events(made)
    count = tried(made, path, form)
    assert events(made) - before == (count or 0)
    shutil.rmtree(path.parent)
