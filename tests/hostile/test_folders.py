"""Data sets that come as folders, with something wrong inside: a data set, or one sentence."""

import shutil

import datasets
import pytest
from damage import EDITS, damaged, prints
from hypothesis import given
from hypothesis import strategies as st
from tiny import png, sentences

from influence_core.data.options import ReadOptions
from influence_core.errors import TurnoverError
from influence_core.workflow.projects.preview import first_look, inspect_source


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A Hugging Face data set as `save_to_disk` leaves it."""
    folder = tmp_path_factory.mktemp("hf") / "saved"
    texts, labels = sentences(24)
    table = datasets.Dataset.from_dict({"text": texts, "label": labels})
    datasets.DatasetDict({"train": table, "test": table.select(range(8))}).save_to_disk(str(folder))
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two classes of four small pictures."""
    folder = tmp_path_factory.mktemp("pictures") / "set"
    for name, shade in (("cat", 40), ("dog", 200)):
        (folder / name).mkdir(parents=True)
        for i in range(4):
            (folder / name / f"{i}.png").write_bytes(png(shade + i))
    return folder


def looked_at(folder):
    """Read as the wizard does; nothing of the source may change."""
    before = prints(folder)
    try:
        first_look(str(folder))
        inspect_source(str(folder), ReadOptions(bad_rows="drop"))
        inspect_source(str(folder), ReadOptions())
    except TurnoverError as error:
        assert str(error)
    assert prints(folder) == before


@given(which=st.integers(0, 9), edits=EDITS)
def test_a_bent_hugging_face_folder(saved, tmp_path_factory, which, edits):
    folder = tmp_path_factory.mktemp("bent") / "saved"
    shutil.copytree(saved, folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    file = files[which % len(files)]
    file.write_bytes(damaged(file.read_bytes(), edits))
    looked_at(folder)
    shutil.rmtree(folder.parent)


NAMES = st.text(
    st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1, max_size=12
).filter(lambda name: name not in (".", ".."))
FILES = st.tuples(
    NAMES,
    st.sampled_from([".png", ".JPG", ".txt", "", ".csv", ".zip", ".gif"]),
    st.sampled_from(["picture", "empty", "words", "half", "link", "folder"]),
)


@pytest.mark.slow
@given(added=st.lists(st.tuples(st.sampled_from(["", "cat", "new class"]), FILES), max_size=4))
def test_a_folder_of_pictures_with_other_things_in_it(pictures, tmp_path_factory, added):
    folder = tmp_path_factory.mktemp("mixed") / "set"
    shutil.copytree(pictures, folder)
    for place, (name, suffix, what) in added:
        path = folder / place / (name.encode()[:40].decode(errors="ignore") + suffix)
        path.parent.mkdir(exist_ok=True)
        if path.exists() or path.is_symlink():
            continue
        if what == "link":
            path.symlink_to("/etc/passwd")
        elif what == "folder":
            path.mkdir()
        else:
            content = {"picture": png(9), "empty": b"", "words": b"hello", "half": png(9)[:30]}
            path.write_bytes(content[what])
    looked_at(folder)
    shutil.rmtree(folder.parent)
