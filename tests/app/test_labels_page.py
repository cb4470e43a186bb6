"""The Labels page without a browser; the desk itself is tried in one (tests/browser)."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from influence_core.data.keys import from_hex
from influence_core.installed import sample_root
from influence_core.store.project import Project, projects_home
from influence_core.store.samples import install_samples
from influence_core.workflow.explain.map import map_path
from influence_core.workflow.review.choice import Choice
from influence_core.workflow.review.desk import open_desk
from influence_core.workflow.review.queue import QueueFilter
from influence_core.workflow.session import open_session
from pages.ui.draw.numbers import percent

APP = Path(__file__).resolve().parents[2] / "app.py"


def start(**switches):
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.session_state["project"] = switches["project"]
    test.run().switch_page("pages/labels.py")
    for name, value in switches.items():
        test.session_state[name] = value
    return test.run()


def words(test):
    return " ".join(part.value for part in [*test.caption, *test.markdown, *test.info])


@pytest.mark.parametrize("name", ["fashion", "reviews"])
def test_the_page_counts_what_is_flagged_and_decided(name):
    test = start(project=name)
    assert not test.exception
    assert not test.error
    rows = {"fashion": "4,000", "reviews": "6,000"}[name]
    assert f"{rows} training rows" in words(test)
    assert f"0 of {rows} in all" in words(test)
    flagged = next(w for w in words(test).split(" training rows, ")[1].split())
    state = test.selectbox(key="label_state")
    assert state.options[0] == f"undecided ({flagged})"  # what is flagged is the queue
    test.segmented_control(key="label_rows").set_value("all").run()
    assert test.selectbox(key="label_state").options[0] == f"undecided ({rows})"


def test_a_bulk_decision_shows_its_scope_and_counts_at_once():
    test = start(project="reviews", view="many", label_given="positive")
    assert not test.error
    assert sum(box.label.startswith("Select") for box in test.checkbox) == 48
    test.checkbox(key=next(b.key for b in test.checkbox if b.label == "Select")).check()
    button = next(b for b in test.button if b.label == "Review and save …")
    button.click().run()
    assert not test.exception
    assert any("Save 1 decision" in b.label for b in test.button)


def test_a_card_of_the_grid_tells_how_sure_the_model_is_of_what_it_suggests():
    test = start(project="fashion", view="many")
    lines = [m.value for m in test.markdown if re.search(r" → \*\*.+\*\* \d", m.value)]
    rows = open_desk(open_session(Project.open(projects_home() / "fashion"))).scores
    keys = [box.key.removeprefix("tick_") for box in test.checkbox if box.label == "Select"]
    sure = rows.set_index("key").loc[[from_hex(key) for key in keys], "p_suggested"]
    assert [line.rsplit(" ", 1)[1] for line in lines] == [percent(float(p)) for p in sure]


def test_a_filter_that_leaves_nothing_says_what_to_do():
    test = start(project="reviews", label_text="no such words anywhere")
    assert "No flagged row is left here. Choose *All rows*" in words(test)
    test.segmented_control(key="label_rows").set_value("all").run()
    assert "No row passes this filter" in words(test)


def test_without_a_map_the_page_offers_to_make_it():
    install_samples(projects_home(), sample_root())
    project = Project.open(projects_home() / "reviews")
    map_path(project, project.latest_run().record.encoder_fingerprint).unlink()
    test = start(project="reviews", view="map")
    assert not test.exception
    assert not test.error
    assert "no map of this data yet" in words(test)
    assert test.button(key="labels_map_make").label == "Make the map"


@pytest.mark.parametrize(("verdict", "rows"), [("keep", 25), ("exclude", 1500)])
def test_how_many_wrong_labels_are_left_is_told_only_where_it_is_known(verdict, rows):
    test = start(project="reviews")
    assert "90 % interval" not in words(test)  # nothing is estimated yet
    desk = open_desk(open_session(Project.open(projects_home() / "reviews")))
    desk.decide("local", [Choice(int(p), verdict) for p in desk.queue(QueueFilter())[:rows]])
    test = start(project="reviews")
    assert not test.exception
    known = desk.advice().certain
    assert known == (verdict == "exclude")
    assert ("90 % interval" in words(test).replace("\\", "")) == known
    assert ("a guide, not a guarantee" in words(test)) == known
    assert ("of the latest 25 decisions found a wrong label" in words(test)) != known
    assert bool(test.get("plotly_chart")) != known


def test_only_a_csv_of_decisions_can_be_escaped():
    test = start(project="reviews", view="many")
    test.checkbox(key="exchange_safe").check().run()
    assert not test.exception
    test.selectbox(key="exchange_format").set_value("jsonl").run()
    assert not test.exception
    assert not [box for box in test.checkbox if box.key == "exchange_safe"]


def test_the_encoding_of_decisions_can_be_chosen_where_the_refusal_names_it():
    test = start(project="reviews", view="many")
    given = "id,verdict,note\nnobody,exclude,Дом\n".encode("cp1251")
    test.file_uploader(key="exchange_in").upload("decisions.csv", given).run()
    assert "--encoding" in test.error[0].value.replace("\\", "")
    test.selectbox(key="exchange_encoding").set_value("cp1251").run()
    assert not test.error
    assert "no training row has the id 'nobody'" in words(test).replace("\\", "")
    assert test.selectbox(key="exchange_quoting")
