"""Pictures on the disk that were good at import and are something else now: no page dies of one."""

import os
import shutil

import pytest
from errors_page import APP
from streamlit.testing.v1 import AppTest
from tiny import huge_png, png

from influence_core.installed import sample_root
from influence_core.store.project import Project, projects_home
from influence_core.workflow.projects.create import NewProject, create
from influence_core.workflow.train.head import TrainOptions, train

PAGES = ("errors", "labels", "cleanse", "trust", "runs", "projects")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small trained project whose pictures stay in their folder."""
    folder = tmp_path_factory.mktemp("replaced")
    for name, shade in (("cat", 0), ("dog", 20)):
        (folder / "pets" / name).mkdir(parents=True)
        for i in range(24):  # a few of each class look like the other one
            grey = 5 * i + (40 - shade if i < 3 else shade)
            (folder / "pets" / name / f"{i}.png").write_bytes(png(grey, (28, 28)))
    # Two copies that disagree, for the view of duplicates.
    shutil.copy(folder / "pets" / "cat" / "5.png", folder / "pets" / "dog" / "copy.png")
    encoder = sample_root() / "fashion" / "trunk.safetensors"
    wish = NewProject(str(folder / "pets"), encoder=f"vgg:{encoder}")
    project = create(wish, folder / "home")
    train(project, TrainOptions(members=2, width=16, epochs=2))
    return folder


def replaced(path, how):
    path.unlink()
    if how == "bomb":
        path.write_bytes(huge_png(60_000, 60_000))
    elif how == "words":
        path.write_bytes(b"no picture at all")
    elif how == "cut":
        path.write_bytes(png(7, (28, 28))[:45])
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "link":
        path.symlink_to("/etc/hostname")


@pytest.mark.parametrize("how", ["bomb", "words", "cut", "pipe", "link", "gone"])
def test_no_page_dies_of_a_replaced_picture(made, how, tmp_path):
    pets, kept = made / "pets", tmp_path / "kept"
    shutil.copytree(pets, kept)
    shutil.copytree(made / "home" / "pets", projects_home() / "pets")
    try:
        for path in sorted(pets.rglob("*.png")):
            replaced(path, how)
        for page in PAGES:
            look(page, how)
        for view in ("one", "many", "copies", "map"):
            look("labels", how, view=view)
        split = Project.open(projects_home() / "pets").dataset.split("test")
        look("errors", how, item=f"{int(split.keys[0]):016x}")
    finally:
        shutil.rmtree(pets)
        shutil.copytree(kept, pets)


def look(page, how, item=None, **switches):
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.session_state["project"] = "pets"
    if item is not None:
        test.query_params["item"] = item
    if page != "errors":
        test.run().switch_page(f"pages/{page}.py")
    for name, value in switches.items():
        test.session_state[name] = value
    test.run()
    assert not test.exception, (page, switches, test.exception)
    assert not any("went wrong" in box.value for box in test.error), (page, switches)
    if item is not None:
        assert any("the picture cannot be used" in caption.value for caption in test.caption), how
