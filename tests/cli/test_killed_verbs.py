"""Verbs killed at each of their renames: nothing half made is left, and the next try works."""

import pytest
from killed import KILLED, Verbs
from tiny import project, sentences

from influence_core.store.project import list_projects, projects_home
from influence_core.workflow.train.head import TrainOptions, train

MOST_RENAMES = 40


@pytest.fixture(scope="module")
def verbs():
    with Verbs() as started:
        yield started


@pytest.fixture
def deaths(verbs):
    """Run a verb that dies at its first rename, then at its second, until it lives; how often."""

    def run(arguments, after):
        for count in range(1, MOST_RENAMES):
            status = verbs.run(projects_home(), arguments, rename=count).status
            after(status)
            if status != KILLED:
                return count - 1
        raise AssertionError("it does not end")

    return run


def test_a_new_project_is_whole_or_not_there(tmp_path, deaths):
    lines = [f"{text},{label}" for text, label in zip(*sentences(60), strict=True)]
    (tmp_path / "mine.csv").write_text("\n".join(["text,label", *lines]))

    def whole(status):
        for found in list_projects(projects_home()):
            assert sum(map(len, found.dataset)) == 60
        assert status in (KILLED, 0, 1)  # 1: the one before died after all was there

    assert deaths(["new", tmp_path / "mine.csv", "--name", "mine"], whole)
    assert len(list_projects(projects_home())) == 1


@pytest.mark.parametrize("verb", ["labels", "decisions", "export"])
def test_a_file_that_is_written_is_whole_or_not_there(tmp_path, deaths, verb):
    made = project(projects_home() / "tiny", n=90)
    train(made, TrainOptions(members=2, width=32, epochs=3))
    arguments = [verb, "tiny", "--out", tmp_path / "out.csv"]
    arguments += ["--overwrite"] * (verb == "export")
    seen = set()

    def whole(status):
        path = tmp_path / "out.csv"
        seen.add(path.read_bytes() if path.exists() else None)
        assert status in (KILLED, 0)

    assert deaths(arguments, whole)
    assert len(seen - {None}) == 1
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")]
