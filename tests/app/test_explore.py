"""Explore: every view follows one selection, what is done with it is stored, and taken back."""

import numpy as np
import pytest
from errors_page import APP
from streamlit.testing.v1 import AppTest

from influence_core.installed import sample_root
from influence_core.store.project import Project, projects_home
from influence_core.store.samples import install_samples
from influence_core.store.slices import SavedSlice, save_slice, saved_slices
from influence_core.workflow.cleanse.decided import decided_edits
from influence_core.workflow.session import open_session
from influence_core.workflow.slices.selection import Selection, open_view


def opened(sample, split, address=None):
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.session_state["project"] = sample
    test.session_state["split"] = split
    test.run().switch_page("pages/explore.py")
    for name, value in (address or {}).items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    assert not test.error
    return test


@pytest.fixture(scope="module")
def view():
    return open_view(open_session(Project.open(sample_root() / "fashion"), device="cpu"), "train")


def said(test):
    return next(one.value for one in test.markdown if " rows: " in one.value)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("sample", ["fashion", "reviews"])
def test_everything_is_shown_first(sample, split):
    test = opened(sample, split)
    assert "everything" in said(test)
    table = test.dataframe[0].value
    assert {"class", "rows", "errors", "precision", "recall"} <= set(table.columns)


def test_the_address_narrows_the_count_and_the_table(view):
    wanted = Selection("errors", true=("Shirt",), low=50, suspicious=True)
    held = view.selected(wanted)
    asked = {"which": "errors", "true": "Shirt", "conf": "50-100", "bad": "1"}
    test = opened("fashion", "train", asked)
    assert said(test).startswith(f"**{held.sum():,}** of 4,000 rows: wrong · true Shirt")
    table = test.dataframe[0].value
    assert table["rows"].sum() == held.sum()
    test.button(key="explore_clear").click().run()
    assert "everything" in said(test)


def test_a_choice_of_a_widget_reaches_the_address_and_the_others_stay(view):
    test = opened("fashion", "train", {"which": "errors"})
    test.multiselect(key="explore_true").set_value(["Coat"]).run()
    assert not test.exception
    held = view.selected(Selection("errors", true=("Coat",)))
    assert said(test).startswith(f"**{held.sum():,}**")
    assert "Coat" in test.query_params["true"]


def test_the_selection_is_left_out_in_one_step_and_taken_back(view):
    wanted = Selection("errors", true=("Sandal",), suspicious=True)
    keys = {int(k) for k in view.split.keys[view.selected(wanted)]}
    test = opened("fashion", "train", {"which": "errors", "true": "Sandal", "bad": "1"})
    assert len(keys) > 1
    assert test.button(key="explore_act_leave").label == f"Leave out {len(keys)} rows"
    test.button(key="explore_act_leave").click().run()
    project = Project.open(projects_home() / "fashion")
    assert {e.key for e in decided_edits(project)[0] if e.action == "remove"} == keys
    assert test.dataframe[0].value["decided"].sum() == len(keys)
    test.button(key="explore_act_undo").click().run()
    assert not test.exception
    assert decided_edits(project)[0] == ()


def test_a_selection_is_saved_opened_deleted_and_taken_back(view):
    wanted = Selection("errors", true=("Sandal",))
    held = view.selected(wanted)
    test = opened("fashion", "train", {"which": "errors", "true": "Sandal"})
    test.text_input(key="explore_slice_name").set_value("odd sandals")
    test.button(key="explore_save_go").click().run()
    root = projects_home() / "fashion"
    [kept] = saved_slices(root)
    assert (kept.name, kept.split, kept.said) == ("odd sandals", "train", wanted.name())
    assert set(kept.keys) == {int(k) for k in view.split.keys[held]}
    test.button(key="explore_clear").click().run()
    assert "everything" in said(test)
    test.button(key="explore_saved_0").click().run()
    assert not test.exception
    assert said(test).startswith(f"**{held.sum():,}**")
    assert "odd sandals" in test.query_params["saved"]
    test.button(key="explore_delete_0").click().run()
    assert saved_slices(root) == []
    assert "everything" in said(test)
    test.button(key="explore_undelete").click().run()
    assert not test.exception
    assert saved_slices(root) == [kept]


def test_a_saved_slice_is_a_subset_on_clean_data(view):
    install_samples(projects_home(), sample_root())
    keys = tuple(int(key) for key in view.split.keys[:9])
    for split in ("train", "valid"):
        save_slice(projects_home() / "fashion", SavedSlice(f"my {split}", split, "x", keys))
    test = opened("fashion", "test").switch_page("pages/cleanse.py").run()
    assert not test.exception
    kept = [one for one in test.selectbox(key="cleanse_part").options if one.startswith("slice:")]
    assert kept == ["slice:my valid"]


def test_the_cells_are_drawn_in_the_place_of_the_classes():
    test = opened("fashion", "test", {"true": "Shirt"})
    assert test.dataframe
    test.segmented_control(key="explore_table").set_value("Confusion").run()
    assert not test.exception
    assert not test.dataframe
    assert any("Click a cell" in one.value for one in test.caption)


def test_what_an_address_cannot_mean_is_left_out():
    wild = {"which": "x", "true": "Cow", "conf": "90-10", "col": "no=1", "area": "1,2,nan,4"}
    assert "everything" in said(opened("fashion", "test", wild))
    assert "everything" in said(opened("fashion", "test", {"conf": f"{'9' * 9_000}-100"}))


def test_columns_of_the_file_filter(view):
    held = view.selected(Selection(columns=("gold=Bag", "gold=Coat")))
    assert held.sum() == np.isin(view.split.extra("gold").astype(str), ["Bag", "Coat"]).sum()


def test_the_map_shows_the_selection_in_every_colour():
    test = opened("fashion", "train", {"which": "errors"})
    test.segmented_control(key="explore_show").set_value("Map").run()
    assert not test.exception
    for colour in ("right or wrong", "gold"):
        test.selectbox(key="explore_colour").set_value(colour).run()
        assert not test.exception
        assert not test.error
