"""The item's own label on the Errors page: decided, undone, counted, exported."""

import pandas as pd
import pytest
from errors_page import start
from tiny import project
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.disk.names import projects_home
from influence_core.store.project import Project
from influence_core.workflow.cleanse.decided import decided_edits
from influence_core.workflow.explain.items import misclassified
from influence_core.workflow.review.choice import Choice
from influence_core.workflow.review.items import ItemReviews
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train


@pytest.fixture
def tiny():
    made = project(projects_home() / "tiny", n=90)
    train(made, TrainOptions(members=2, width=32, epochs=1))
    return Project.open(made.root)


@pytest.fixture
def worst(tiny):
    wrong = misclassified(open_session(tiny), "test")
    assert len(wrong), "the run must err"
    return wrong.iloc[0]


def said(test):
    return [m.value for m in [*test.markdown, *test.caption]]


def keys(test):
    return {button.key for button in test.button}


def test_the_label_is_changed_undone_and_counted(tiny, worst):
    item = f"{int(worst['key']):016x}"
    test = start(project="tiny", item=item)
    assert not test.exception
    assert not (tiny.root / "reviews.db").exists()  # looking stores nothing
    test.button(key="item_relabel").click().run()
    assert not test.exception
    assert any(f"label changed to **{worst['predicted']}**" in s for s in said(test))
    assert "item_relabel" not in keys(test)
    (edit,) = decided_edits(tiny, "test")[0]
    assert (edit.key, edit.new_label) == (worst["key"], worst["predicted"])
    assert decided_edits(tiny)[0] == ()
    listed = start(project="tiny")
    assert any("as labelled → " in s and "(1 changed)" in s for s in said(listed))
    assert any(f"now {worst['predicted']}" in s for s in said(listed))
    test.button(key="item_undo").click().run()
    assert "item_relabel" in keys(test)
    assert decided_edits(tiny, "test")[0] == ()
    assert not any("as labelled → " in s for s in said(start(project="tiny")))


def test_another_persons_word_is_shown_and_disputed(tiny, worst):
    item, found = f"{int(worst['key']):016x}", ItemReviews(tiny, "test")
    found.decide("bob", Choice(found.data.position(int(worst["key"])), "keep"))
    test = start(project="tiny", item=item)
    assert any("bob: label kept" in s for s in said(test))
    test.button(key="item_exclude").click().run()
    assert any("left out" in s for s in said(test))
    assert any("Disputed" in s for s in said(test))


def test_page_and_command_line_export_the_same_corrected_split(tiny, worst, tmp_path):
    test = start(project="tiny", item=f"{int(worst['key']):016x}")
    test.button(key="item_relabel").click().run()
    listed = start(project="tiny")
    listed.button(key="items_go").click().run()
    assert not listed.error
    (made,) = tiny.exports_folder.glob("corrected-test*.csv")
    out = tmp_path / "out.csv"
    verb = ["export", "tiny", "--split", "test", "--out", str(out)]
    assert CliRunner().invoke(app, verb).exit_code == 0
    assert made.read_bytes() == out.read_bytes()
    labels = pd.read_csv(out, dtype=str)
    assert len(labels) == len(tiny.dataset.split("test"))
    changed = labels[labels["id"] == worst["id"]]["label"].item()
    assert changed in (worst["predicted"], str(tiny.dataset.classes.index(worst["predicted"])))


def test_decisions_from_a_file_are_of_the_split_that_is_named(tiny, worst, tmp_path):
    path = tmp_path / "d.csv"
    path.write_text(f"id,verdict,new_label\n{worst['id']},relabel,{worst['predicted']}\n")
    assert CliRunner().invoke(app, ["decide", "tiny", str(path)]).exit_code == 1
    verb = ["decide", "tiny", str(path), "--split", "test"]
    assert "1 decisions written" in CliRunner().invoke(app, verb).output
    told = CliRunner().invoke(app, ["decisions", "tiny", "--split", "test"]).output
    assert "as labelled" in told
    assert "1 changed" in told
    back = tmp_path / "back.csv"
    verb = ["decisions", "tiny", "--split", "test", "--out", str(back)]
    assert CliRunner().invoke(app, verb).exit_code == 0
    assert pd.read_csv(back)["id"].tolist() == [worst["id"]]
