"""The wizard without a browser: from a file to a project, refusals, hostile data, paths."""

import time
import zipfile

import pytest
from streamlit.runtime.scriptrunner import StopException
from text_cases import spoken
from tiny import png
from wizard_page import ended, given, job_of, own, said, start, table

from influence_core.jobs import cancel, find, resume
from influence_core.store.project import Project, projects_home
from influence_core.workflow.projects import looking

HOSTILE = '"![x](http://192.0.2.1/a.png)",<script>alert(1)</script>'


def read_out(test):
    return "\n".join(element.value for element in test.text)


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
