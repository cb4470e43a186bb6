"""The Projects page without a browser: cards of all projects, damaged and hostile ones included."""

import re
import shutil
from dataclasses import replace

import pytest
from errors_page import APP
from streamlit.testing.v1 import AppTest
from tiny import dataset, project

from influence_core.installed import sample_root
from influence_core.store.project import Project, projects_home
from influence_core.store.samples import install_samples
from influence_core.workflow.projects.overview import overview
from influence_core.workflow.train.head import TrainOptions, train

HOSTILE = [
    "![x](http://192.0.2.1/a.png)",
    "<img src=http://192.0.2.1/b.png onerror=alert(1)>",
    "<script>alert(1)</script>",
    "abc\u202edef\u200b",
    ":red[shout] $x^2$ :material/home: [link](http://192.0.2.1)",
]


def start():
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.run()  # the first run makes the navigation known
    return test.switch_page("pages/projects.py").run()


def said(test):
    kinds = (test.markdown, test.caption, test.error, test.info, test.warning)
    shown = "\n".join(element.value for kind in kinds for element in kind)
    return re.sub(r"\\.", "", shown)  # without what Markdown is told to leave alone


def test_samples_stand_there_with_their_figures():
    test = start()
    assert not test.exception
    assert not test.error
    figures = {name: overview(projects_home() / name) for name in ("fashion", "reviews")}
    metrics = [(metric.label, metric.value) for metric in test.metric]
    for card in figures.values():
        assert ("accuracy, test", f"{100 * card.accuracy:.1f}\u00a0%") in metrics
        assert ("suspicious", f"{card.suspicious:,}") in metrics
        assert f"0 rows decided, {card.open:,} suspicious ones open" in said(test)
    assert any("New project" in info.value for info in test.info)
    assert "shows which training rows caused a model's mistakes" in said(test)
    assert len(test.get("image")) == 7 + 3  # rows of fashion, and the loop
    sentence = Project.open(projects_home() / "reviews").dataset.train.texts([0])[0]
    assert any(element.value == sentence for element in test.text)


def test_open_leads_to_the_errors_of_that_project():
    test = start()
    test.button(key="open_card_reviews").click().run()
    assert not test.exception
    assert test.session_state["project"] == "reviews"
    assert any("items wrong" in caption.value for caption in test.caption)


def test_a_project_of_ones_own_is_renamed_and_its_folder_stays():
    train(project(projects_home() / "tiny", n=30), TrainOptions(members=2, width=8, epochs=1))
    test = start()
    assert not any(
        key and key.startswith("renamed_fashion") for key in (b.key for b in test.button)
    )
    test.text_input(key="name_card_tiny").set_value("A better name").run()
    test.button(key="renamed_tiny").click().run()
    assert not test.exception
    assert Project.open(projects_home() / "tiny").name == "A better name"
    assert "**A better name**" in said(test)


def test_a_damaged_project_says_why_and_the_others_stay():
    install_samples(projects_home(), sample_root())
    shutil.copytree(projects_home() / "reviews", projects_home() / "aaa")
    (projects_home() / "aaa" / "data" / "dataset.json").write_text("{")
    test = start()  # "aaa" is the first project, so it is also the chosen one
    assert not test.exception
    assert any("dataset\\.json" in error.value for error in test.error)
    assert test.button(key="open_card_reviews")


def test_hostile_names_stay_text():
    data = dataset()
    for number, name in enumerate(HOSTILE):
        made = replace(data, classes=(name, "good"))
        Project.create(projects_home() / f"p{number}", name, made, "minilm")
    shown = said(start())
    for raw in ("<", "[", "]", "!", "(http", "$", "_", "\u202e", "\u200b"):
        assert raw not in shown
    assert "⟨U202E⟩" in shown


def test_an_untrained_project_offers_training():
    project(projects_home() / "tiny", n=30)
    test = start()
    assert test.button(key="train_tiny").label == "Train"
    assert any("Not trained yet" in caption.value for caption in test.caption)


@pytest.mark.parametrize("splits", [("train",), ("train", "test")])
def test_projects_with_few_splits(splits):
    data = dataset()
    made = replace(data, splits={name: data.splits[name] for name in splits})
    Project.create(projects_home() / "few", "Few", made, "minilm")
    assert not start().exception
