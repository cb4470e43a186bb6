"""The desk of a project with sets of copies, for tests of what is decided about them."""

import shutil

import pytest
from copied import built

from influence_core.store.project import Project
from influence_core.workflow.review.desk import open_desk
from influence_core.workflow.session import open_session


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return built(tmp_path_factory.mktemp("copies") / "copies")


@pytest.fixture
def desk(made, tmp_path):
    shutil.copytree(made.root, tmp_path / "copies")
    return open_desk(open_session(Project.open(tmp_path / "copies"), None, "cpu"))
