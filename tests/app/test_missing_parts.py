"""A part of a project that is gone while the app is open: each page says one sentence."""

import shutil

import pytest
from errors_page import APP
from streamlit.testing.v1 import AppTest

from influence_core.installed import sample_root
from influence_core.store.project import Project, projects_home
from influence_core.store.samples import install_samples

PAGES = ("errors", "labels", "cleanse", "trust", "runs", "projects")


@pytest.mark.parametrize("part", ["features", "data", "run", "runs"])
def test_a_part_that_is_gone_is_one_sentence_on_every_page(part):
    install_samples(projects_home(), sample_root())
    project = Project.open(projects_home() / "reviews")
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.session_state["project"] = "reviews"
    assert not test.run().exception  # opened, and kept in memory
    run = project.latest_run().folder
    shutil.rmtree({"run": run, "runs": run.parent}.get(part, project.root / part))
    for page in PAGES:
        test.switch_page(f"pages/{page}.py").run()
        assert not test.exception, (part, page)
        assert not any("went wrong" in box.value for box in test.error), (part, page)
        fresh = AppTest.from_file(str(APP), default_timeout=600)
        fresh.session_state["project"] = "reviews"
        fresh.run()
        if page != "errors":
            fresh.switch_page(f"pages/{page}.py").run()
        assert not fresh.exception, (part, page)
        assert not any("went wrong" in box.value for box in fresh.error), (part, page)
