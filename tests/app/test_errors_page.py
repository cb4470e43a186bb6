"""The Errors page without a browser: Streamlit's own test runner on the shipped samples."""

import pytest
from errors_page import influences, start, worst

from influence_core.installed import sample_root
from influence_core.store.project import Project, projects_home
from influence_core.store.samples import install_samples
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item
from influence_core.workflow.explain.verdict import verdict_of


@pytest.mark.parametrize("name", ["fashion", "reviews"])
def test_the_list_opens_and_counts_the_errors(name):
    _, wrong = worst(name)
    test = start(project=name)
    assert not test.exception
    assert not test.error
    assert any(f"**{len(wrong):,}** items" in c.value for c in test.caption)
    assert sum(b.label == "Explain" and b.key.startswith("open_") for b in test.button) == 24


@pytest.mark.parametrize("name", ["fashion", "reviews"])
def test_one_click_shows_helpful_and_harmful_rows(name):
    _, wrong = worst(name)
    test = start(project=name)
    test.button(key=f"open_{wrong['key'][0]:016x}").click().run()
    assert not test.error
    bars = influences(test)
    assert sum("influence +" in b for b in bars) == 12
    assert sum("influence −" in b for b in bars) == 12
    assert sum('"100 % of the strongest row' in b.proto.body for b in test.get("html")) == 2
    assert any("rows scored on" in c.value for c in test.caption)
    assert test.query_params["item"] == f"{wrong['key'][0]:016x}"


@pytest.mark.parametrize("toward", ["predicted", "true"])
def test_the_verdict_stands_first_and_its_rows_carry_a_chip(toward):
    session, wrong = worst("fashion")
    test = start(project="fashion", item=f"{wrong['key'][0]:016x}", toward=toward)
    item = find_item(session, "test", int(wrong["key"][0]))
    answer = explain(session, item, ExplainOptions(toward=toward))
    found, _, bad = verdict_of(session, answer)
    said = [m.value.replace("**", "*") for m in test.markdown]
    assert found.sentence() in said
    listed = [int(key) for table in (answer.helpful, answer.harmful) for key in table["key"]]
    assert 0 < len(bad.intersection(listed)) < len(listed)
    chips = sum("looks mislabelled" in m and m.startswith(":orange-badge") for m in said)
    assert chips == len(bad.intersection(listed))


def test_a_link_opens_the_same_view_again():
    _, wrong = worst("reviews")
    test = start(
        project="reviews", item=f"{wrong['key'][3]:016x}", estimator="turnover", toward="true"
    )
    assert any("4 of" in c.value for c in test.caption)
    bars = influences(test)
    assert len(bars) == 24
    assert all(" ± " in b for b in bars)  # turn-over scores carry their error
    assert any(f"toward **{wrong['label'][3]}**" in c.value for c in test.caption)


@pytest.mark.parametrize(("item", "sentence"), [("zz", "names no item"), ("00", "is not in split")])
def test_a_broken_link_says_so(item, sentence):
    test = start(project="reviews", item=item)
    shown = [e.value for e in [*test.error, *test.warning]]
    assert any(sentence in s for s in shown)
    assert not test.exception


def test_a_truncated_checkpoint_is_one_sentence_and_changes_nothing():
    install_samples(projects_home(), sample_root())
    project = Project.open(projects_home() / "reviews")
    model = project.latest_run().folder / "model.safetensors"
    model.write_bytes(model.read_bytes()[:1000])
    test = start(project="reviews")
    assert not test.exception
    assert any("damaged" in e.value for e in test.error)
    assert model.stat().st_size == 1000


def test_no_run_says_how_to_train():
    start(project="reviews")
    runs = projects_home() / "reviews" / "runs"
    runs.rename(runs.with_name("runs-aside"))
    test = start(project="reviews")
    assert any("turnover train reviews" in i.value for i in test.info)


def test_a_sentence_of_my_own_is_explained():
    test = start(project="reviews")
    test.text_area(key="own_text").set_value("An hour and a half of my life, gone.")
    test.button[-1].click()
    test.run()
    assert any("rows scored on" in c.value for c in test.caption)
    assert not test.error


def test_turn_over_scores_are_told_from_noise():
    _, wrong = worst("reviews")
    test = start(project="reviews", item=f"{wrong['key'][0]:016x}", estimator="turnover")
    told = [c.value for c in test.markdown]
    assert sum(" · stands out" in t or " · not disting" in t for t in told) == 24
    shown = [e.value.replace("\\", "") for e in [*test.info, *test.success]]
    assert any("the noise" in s or "no clear row" in s for s in shown)


@pytest.mark.parametrize("item", ["-5", "1" * 17, "f" * 400, "0x1", "nothing", "٣"])
def test_a_link_to_what_is_no_key_shows_the_list(item):
    test = start(project="reviews", item=item, address={"with": item})
    assert not test.exception
    assert any("names no item" in w.value for w in test.warning)


def test_a_link_to_a_training_row_that_is_no_key_opens_the_item_alone():
    _, wrong = worst("reviews")
    test = start(project="reviews", item=f"{wrong['key'][0]:016x}", address={"with": "-5"})
    assert not test.exception
    assert not test.error
