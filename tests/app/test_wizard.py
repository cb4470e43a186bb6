"""The wizard without a browser: from a file to a project, refusals, hostile data, paths."""

import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from errors_page import APP
from messages import options_in
from messages import sentences as sentences_of
from own_project import cells
from streamlit.runtime.scriptrunner import StopException
from streamlit.testing.v1 import AppTest
from text_cases import spoken
from tiny import png, sentences

from influence_core.errors import DataError
from influence_core.jobs import cancel, find, resume
from influence_core.store.project import Project, list_projects, projects_home
from influence_core.workflow.projects import looking
from influence_core.workflow.projects.preview import first_look
from influence_core.workflow.projects.uploads import keep_upload
from influence_core.workflow.session import open_session
from pages.ui.projects.wizard_features import refuse_paths
from pages.ui.projects.wizard_source import ChosenSource

# The control by which what an option says is said here.
CONTROLS = {
    "--content": "Sentence or image", "--label": "Label", "--id": "Id", "--no-id": "Id",
    "--split": "Split", "--splits": "Splits", "--no-split": "Split",
    "--group": "Group", "--join": "Join labels",
    "--leave-out": "Leave out labels", "--image-root": "Image folder",
    "--drop-bad": "Leave bad rows out", "--encoding": "Encoding", "--delimiter": "Delimiter",
    "--quoting": "Quoting", "--header": "First line names the columns",
    "--no-header": "First line names the columns",
    "--features": "Column of lists, or path of a file",
    "--proba": "Paths of files, as train=/a.npy,test=/b.npy",
}  # fmt: skip
HOSTILE = '"![x](http://192.0.2.1/a.png)",<script>alert(1)</script>'


def start(**address):
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.run()
    test.switch_page("pages/projects.py")
    for name, value in address.items():
        test.query_params[name] = value
    return test.run()


def given(path):
    test = start(new="1")
    test.segmented_control(key="wizard_way").set_value("Path on this machine").run()
    return test.text_input(key="wizard_path").set_value(str(path)).run()


def table(tmp_path, extra=()):
    texts, labels = sentences(60)
    lines = ["text,label", *(f"{t},{'good' if y else 'bad'}" for t, y in zip(texts, labels))]  # noqa: B905
    path = tmp_path / "mine.csv"
    path.write_text("\n".join([*lines, *extra]) + "\n", "utf-8")
    return path


def own():
    return {p.root.name for p in list_projects(projects_home())} - {"fashion", "reviews"}


def said(test):
    kinds = (test.markdown, test.caption, test.error, test.info, test.warning, test.success)
    return "\n".join(e.value for kind in kinds for e in kind).replace("\\", "")


def chosen(page, title):
    return next(box for box in page.selectbox if box.label == title)


def test_what_is_not_sure_of_a_file_can_be_told_and_is_seen_at_once(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_bytes("да,Дом\nнет,Сон\nда,Мост\nнет,Сад\nда,Том\n".encode("cp1251"))
    page = given(path)
    assert "Line 1 of mine.csv does not fit UTF-8" in said(page)
    chosen(page, "Encoding").set_value("koi8-r").run()
    assert [line.value for line in page.text][:2] == ["ДЮ,дНЛ", "МЕР,яНМ"]
    chosen(page, "Encoding").set_value("cp1251").run()
    assert [line.value for line in page.text][:2] == ["да,Дом", "нет,Сон"]
    assert "reads like a row" in said(page)
    chosen(page, "First line names the columns").set_value("no").run()
    assert "name the label column" in said(page)
    chosen(page, "Label").set_value(0).run()
    chosen(page, "Sentence or image").set_value(1).run()
    assert not page.exception
    assert "5 sentences: 5 train" in said(page)


@pytest.mark.parametrize("how", ["folder", "zip"])
def test_the_encoding_of_several_files_can_be_told(tmp_path, how):
    folder = tmp_path / "films"
    folder.mkdir()
    for name in ("train", "test"):
        rows = "".join(f"фильм {name} {i},{'да' if i % 2 else 'нет'}\n" for i in range(12))
        (folder / f"{name}.csv").write_bytes(f"text,label\n{rows}".encode("cp1251"))
    path = folder if how == "folder" else Path(shutil.make_archive(str(folder), "zip", folder))
    page = given(path)
    assert not page.exception
    chosen(page, "Encoding").set_value("cp1251").run()
    assert not page.exception
    assert "24 sentences: 12 train, 12 test" in said(page)


def test_a_folder_without_texts_has_no_such_menus(tmp_path):
    (tmp_path / "one").mkdir()
    pq.write_table(
        pa.table({"text": ["x"] * 4, "label": ["a", "b"] * 2}), tmp_path / "one/a.parquet"
    )
    page = given(tmp_path / "one")
    assert "Encoding" not in {box.label for box in page.selectbox}


def test_what_messages_advise_can_be_chosen_here(tmp_path):
    page = given(table(tmp_path))
    kinds = (page.selectbox, page.multiselect, page.text_input, page.toggle)
    shown = {control.label for kind in kinds for control in kind}
    named = {o for _, said in sentences_of("data", "workflow/projects") for o in options_in(said)}
    # See test_a_hub_data_set_has_… and test_a_sheet_…; the wizard takes no encoder.
    of_others = {"--config", "--revision", "--kind", "--encoder", "--sheet"}
    assert {CONTROLS[option] for option in named - of_others} <= shown


def test_a_sheet_of_a_workbook_can_be_told(tmp_path):
    texts, _ = sentences(12)
    rows = pd.DataFrame({"text": texts, "label": ["a", "b"] * 6})
    with pd.ExcelWriter(tmp_path / "mine.xlsx") as book:
        rows.to_excel(book, sheet_name="New", index=False)
        rows[:8].to_excel(book, sheet_name="Old", index=False)
    page = given(tmp_path / "mine.xlsx")
    assert "12 sentences: 12 train" in said(page)
    next(b for b in page.text_input if b.label == "Sheet").set_value("Old").run()
    assert "8 sentences: 8 train" in said(page)
    next(b for b in page.text_input if b.label == "Sheet").set_value("Odl").run()
    assert "no sheet 'Odl'" in said(page) and not page.exception


def read_out(test):
    return "\n".join(element.value for element in test.text)


def job_of(page):
    """The job that makes the project, at its end."""
    for name in ("map", "evaluate"):
        page.checkbox(key=f"fit_then_{name}").uncheck()
    page.button(key="wizard_create").click().run()
    return ended(find(projects_home(), page.query_params["making"]))


def ended(job):
    for _ in range(2400):
        job = find(job.root, job.id)
        if not job.active:
            break
        time.sleep(0.1)
    return job


def test_a_csv_becomes_a_trained_project_whose_errors_open(tmp_path):
    page = given(table(tmp_path))
    assert not page.exception
    assert "60 sentences: 60 train" in said(page)
    assert "no valid and test split" in said(page)
    page.number_input(key="fit_members").set_value(2).run()
    assert page.checkbox(key="fit_then_evaluate").label.startswith("Then evaluate (about ")
    job = job_of(page)
    assert job.state == "done", job.message
    made = Project.open(projects_home() / "mine")
    assert dict(made.header.splits) == {"train": 42, "valid": 9, "test": 9}
    run = made.latest_run()
    assert run.record.config["options"]["members"] == 2
    page = start(making=job.id)
    assert not page.exception
    assert page.query_params["landed"] in (run.id, [run.id])
    right = 100 * run.record.metrics["test_accuracy"]
    assert f"{right:.1f} % of test right" in said(page).replace("\u00a0", " ")


def test_a_training_that_was_ended_goes_on_with_the_project_that_it_had_made(tmp_path):
    page = given(table(tmp_path))
    for name in ("map", "evaluate"):
        page.checkbox(key=f"fit_then_{name}").uncheck()
    page.button(key="wizard_create").click().run()
    job = find(projects_home(), page.query_params["making"])
    while not find(job.root, job.id).result:  # the project is made
        time.sleep(0.05)
    cancel(job)
    job = ended(job)
    assert (job.state, dict(job.result)) == ("cancelled", {"project": "mine"})
    page = start(making=job.id)
    assert "The project is there, but its training has not ended" in said(page)
    again = ended(resume(job))
    assert again.state == "done", again.message
    assert Project.open(projects_home() / "mine").latest_run().id == again.result["run"]


def test_a_line_with_too_many_fields_can_be_left_out_where_it_is_refused(tmp_path):
    page = given(table(tmp_path, ["one,two,three,four"]))
    assert "Line 62 of mine.csv has 4 fields" in said(page)
    page.toggle[0].set_value(True).run()
    assert "left out 1." in read_out(page)
    assert not page.button(key="wizard_create").disabled


def test_problems_stand_in_the_way_until_bad_rows_are_left_out(tmp_path):
    page = given(table(tmp_path, ["no label here,", "same,good", "same,bad"]))
    assert "has no label" in said(page)
    assert "a copy with a different label" in said(page)
    assert page.button(key="wizard_create").disabled
    page.toggle[0].set_value(True).run()
    assert "left out 1." in read_out(page)
    assert "it has no label in column 'label' (line 62 of mine.csv)" in read_out(page)
    assert not page.button(key="wizard_create").disabled


def pets(path, extra=()):
    with zipfile.ZipFile(path, "w") as opened:
        for i in range(12):
            opened.writestr(f"pets/{('cat', 'dog')[i % 2]}/{i}.png", png(10 * i))
        for name in extra:
            opened.writestr(name, png(1))
    return path


def test_the_path_of_a_zip_is_looked_at_like_its_folder(tmp_path):
    page = given(pets(tmp_path / "pets.zip"))
    assert not page.exception
    assert "12 images: 12 train" in said(page)
    kept = list((projects_home() / ".uploads").iterdir())
    page.run()
    assert list((projects_home() / ".uploads").iterdir()) == kept  # packed once


def test_a_hostile_zip_is_one_sentence_and_nothing_is_kept(tmp_path):
    page = given(pets(tmp_path / "pets.zip", ["../../<b>cat</b>.png"]))
    assert not page.exception
    assert len(page.error) == 1
    assert "pets.zip holds the path ../../<b>cat</b>.png" in said(page)
    assert not list((projects_home() / ".uploads").iterdir())
    assert own() == set()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"text,label\na,b,c\n", "Line 2 of mine.csv has 3 fields"), (b"\0\1\2", "not a text file")],
)
def test_a_broken_file_is_one_sentence_and_nothing_is_made(tmp_path, content, sentence):
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    page = given(path)
    assert sentence in said(page)
    assert "wizard_create" not in [button.key for button in page.button]
    assert not page.exception
    assert own() == set()


def test_unknown_columns_are_asked_for(tmp_path):
    path = table(tmp_path)
    path.write_text(path.read_text().replace("text,label", "foo,bar", 1))
    page = given(path)
    assert "Choose the column" in said(page)
    label = next(box for box in page.selectbox if box.label == "Label")
    label.set_value(1)
    next(box for box in page.selectbox if box.label == "Sentence or image").set_value(0)
    page.run()
    assert "60 sentences" in said(page)


def test_letters_that_minilm_does_not_know_are_said_with_what_to_do(tmp_path):
    rows = [f"{text} {i};{label}" for i, (text, label) in enumerate(spoken("ru", 40))]
    (tmp_path / "d.csv").write_text("\n".join(["text;label", *rows]), "utf-8")
    page = given(tmp_path / "d.csv")
    told = [warning.value for warning in page.warning if "hardly knows" in warning.value]
    assert len(told) == 1
    assert "turnover new --encoder st:paraphrase" in told[0].replace("\\", "")
    assert not page.button(key="wizard_create").disabled


def test_hostile_data_is_shown_as_text(tmp_path):
    page = given(table(tmp_path, [HOSTILE, "abc\u202edef,bad\u200b"]))
    assert not page.exception
    for frame in page.dataframe:
        shown = frame.value.to_csv()
        assert "\u202e" not in shown
        assert "\u200b" not in shown
    for markdown in (*page.markdown, *page.error, *page.warning, *page.caption):
        assert "![x](" not in markdown.value
        assert "<script>" not in markdown.value.replace("\\<", "")


def test_paths_are_refused_where_others_can_reach_the_app(monkeypatch):
    monkeypatch.setenv("TURNOVER_ALLOW_PATHS", "0")
    page = start(new="1")
    assert page.segmented_control(key="wizard_way").options == [
        "Upload a file",
        "Hugging Face hub",
    ]


@pytest.mark.parametrize("name", ["../etc", "a/b/c", "/etc/passwd", ".hidden"])
def test_a_hub_name_is_no_path(name):
    page = start(new="1")
    page.segmented_control(key="wizard_way").set_value("Hugging Face hub").run()
    page.text_input(key="wizard_hub").set_value(name).run()
    assert "is not a name on the hub" in said(page)


def test_a_hub_data_set_has_a_configuration_and_a_revision():
    page = start(new="1")
    page.segmented_control(key="wizard_way").set_value("Hugging Face hub").run()
    page.text_input(key="wizard_hub").set_value("nobody/nothing-of-the-kind").run(timeout=60)
    assert {"Configuration", "Revision"} <= {field.label for field in page.text_input}
    assert "cannot be had from the hub" in said(page)


def test_a_taken_name_is_refused_before_anything_starts(tmp_path):
    page = given(table(tmp_path))
    name = next(box for box in page.text_input if box.label == "Name of the project")
    name.set_value("reviews").run()
    assert "already; choose another name" in said(page)
    assert page.button(key="wizard_create").disabled


def test_reading_can_be_stopped_and_begun_again(tmp_path, monkeypatch):
    path = tmp_path / "films.csv"
    path.write_text("text,label\n" + "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(20)))
    real, calls = looking.run_guarded, []

    def stopped_once(*arguments, **more):
        calls.append(arguments[1]["what"])
        if len(calls) == 1:
            raise StopException
        return real(*arguments, **more)

    monkeypatch.setattr(looking, "run_guarded", stopped_once)
    page = given(path)
    page.button(key="wizard_look_cancel").click().run()
    assert any("Stopped" in box.value for box in page.info)
    assert calls == ["look"]
    page.button(key="wizard_look_again").click().run()
    assert calls == ["look", "look", "inspect"]
    page.run()
    assert calls == ["look", "look", "inspect"]  # once for each set of answers
    assert page.button(key="wizard_create")


def with_features(tmp_path, features):
    source, _ = cells(tmp_path, 60)
    page = given(source)
    field = next(f for f in page.text_input if f.label.startswith("Column of lists"))
    return field.set_value(features).run()


def test_features_of_ones_own_make_a_project_of_a_table(tmp_path):
    _, features = cells(tmp_path, 60)
    page = with_features(tmp_path, str(features))
    assert not page.exception
    assert "60 rows of a table: 60 train" in said(page)
    job = job_of(page)
    assert job.state == "done"
    assert Project.open(projects_home() / "cells").settings.encoder == "own:5"


def test_features_that_do_not_fit_make_nothing_and_say_why(tmp_path):
    np.save(tmp_path / "short.npy", np.ones((3, 2)))
    page = with_features(tmp_path, str(tmp_path / "short.npy"))
    job = job_of(page)
    assert job.state == "failed"
    assert "3 rows of features" in job.message
    assert own() == set()


def test_only_columns_can_be_named_where_paths_are_refused(tmp_path, monkeypatch):
    page = with_features(tmp_path, "own.npy")
    assert "no absolute path" in page.error[0].value
    kept = keep_upload(projects_home(), "a.csv", (tmp_path / "cells.csv").read_bytes())
    monkeypatch.setenv("TURNOVER_ALLOW_PATHS", "0")
    look = first_look(str(kept))
    with pytest.raises(DataError, match="no column"):
        refuse_paths("/etc/passwd", ChosenSource(str(kept), "a.csv"), look)


def with_predictions(tmp_path, accuracy, told="train={}", known=False):
    """The wizard's page with features, and with probabilities that are right so often."""
    source, features = cells(tmp_path, 60)
    labels = pd.read_csv(source)["label"].astype("category").cat.codes.to_numpy()
    rng = np.random.default_rng(1)
    shown = np.where(rng.random(60) < accuracy, labels, (labels + 1) % 3)
    np.save(tmp_path / "oof.npy", 0.1 + 0.7 * np.eye(3)[shown])
    page = with_features(tmp_path, str(features))
    field = next(f for f in page.text_input if f.label.startswith("Paths of files"))
    page = field.set_value(told.format(tmp_path / "oof.npy")).run()
    if known:
        box = next(b for b in page.checkbox if b.label == "Those of train are out-of-sample")
        page = box.check().run()
    assert not page.exception
    return page


def shown_model(page):
    button = page.button(key="wizard_create")
    assert button.label.startswith("Show your model")
    button.click().run()
    return ended(find(projects_home(), page.query_params["making"]))


def test_predictions_of_ones_own_model_are_shown_without_a_training(tmp_path):
    job = shown_model(with_predictions(tmp_path, 0.8, known=True))
    assert job.state == "done", job.message
    project = Project.open(projects_home() / "cells")
    (run,) = project.runs()
    assert job.result == {"project": "cells", "run": run.id}
    assert run.called == "own model"
    oof = np.load(tmp_path / "oof.npy")
    train = project.dataset.train
    flipped = open_session(project, device="cpu").evidence.flipped.numpy()
    np.testing.assert_allclose(flipped, oof[train.rows], atol=1e-6)


def test_predictions_that_may_be_in_sample_make_nothing_and_say_what_to_do(tmp_path):
    job = shown_model(with_predictions(tmp_path, 1.0))
    assert job.state == "failed"
    assert "--out-of-sample" in job.message
    assert own() == set()


@pytest.mark.parametrize(
    ("told", "because"),
    [("train=oof.npy", "no absolute path"), ("oof.npy", "does not say which")],
)
def test_predictions_are_files_of_splits(tmp_path, told, because):
    page = with_predictions(tmp_path, 0.8, told)
    assert because in page.error[0].value


def test_paths_of_predictions_are_not_asked_for_where_paths_are_refused(tmp_path, monkeypatch):
    page = with_predictions(tmp_path, 0.8)
    monkeypatch.setenv("TURNOVER_ALLOW_PATHS", "0")
    page.run()
    assert not any(f.label.startswith("Paths of files") for f in page.text_input)
