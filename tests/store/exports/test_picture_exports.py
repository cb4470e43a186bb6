"""Image folders and ZIPs, exported as lists and folders, and brought back."""

import zipfile
from pathlib import Path

import pandas as pd
import pytest
from exported import two_edits
from PIL import Image
from tiny import png

from influence_core.data.readers.registry import read_source
from influence_core.errors import MismatchError
from influence_core.store.exports.edits import ExportOptions, natural_format
from influence_core.store.exports.export import export
from influence_core.store.exports.images import restore_tree
from influence_core.store.exports.revert import revert
from influence_core.workflow.projects.create import NewProject, create


def _pictures(root: Path) -> None:
    for i in range(10):
        for name in ("cat", "dog"):
            path = root / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            colour = (i * 20, 10 if name == "cat" else 200, i)
            Image.new("RGB", (4, 4), colour).save(path)


def test_image_folder_becomes_list_and_tree_and_back(tmp_path):
    root, out = tmp_path / "pets", tmp_path / "clean"
    _pictures(root)
    dataset = read_source(root)
    edits, seen = two_edits(dataset), []
    export(dataset, edits, out, options=ExportOptions(copy_images=True), progress=seen.append)
    copied = [(step.done, step.total) for step in seen if step.stage == "copy"]
    assert copied == [(1, 20), (20, 20)]
    listed = pd.read_csv(out / "images.csv")
    changed = edits[1]
    old = dataset.train.table.column("image_path").to_pylist()
    assert len(listed) == 19
    assert old[0] not in set(listed["image_path"])
    assert (out / "removed" / old[0]).is_file()
    assert listed.set_index("image_path")["label"][old[1]] == changed.new_label
    tree = [p.relative_to(out / "images") for p in (out / "images").rglob("*.png")]
    assert len(tree) == 19
    # The other class has a picture of this name already, so the moved one carries its key.
    assert Path(changed.new_label, f"{Path(old[1]).stem}-{changed.key:016x}.png") in tree
    revert(out / "manifest.json", tmp_path / "back")
    names = sorted(p.relative_to(root) for p in root.rglob("*.png"))
    assert names == sorted(
        p.relative_to(tmp_path / "back") for p in (tmp_path / "back").rglob("*.png")
    )
    for name in names:
        assert (tmp_path / "back" / name).read_bytes() == (root / name).read_bytes()


@pytest.mark.parametrize("outer", ["", "pets/"])
@pytest.mark.parametrize("splits", [(), ("train", "val")])
@pytest.mark.parametrize("copy", [False, True])
def test_a_zip_exports_its_list_and_on_request_its_folders(tmp_path, outer, splits, copy):
    places = [f"{split}/" for split in splits] or [""]
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as opened:
        for number, place in enumerate(places):
            for i in range(10):
                for name, shade in (("cat", 20), ("dog", 140)):
                    data = png(shade + 10 * number + i)
                    opened.writestr(f"{outer}{place}{name}/{i}.png", data)
    dataset = create(NewProject(str(tmp_path / "pets.zip")), tmp_path / "home").dataset
    edits, out = two_edits(dataset), tmp_path / "clean"
    made = export(dataset, edits, out, options=ExportOptions(copy_images=copy))
    assert natural_format(dataset) == made.format == "folder"
    assert made.notes[0].startswith("The source was a ZIP: pictures are listed by their paths")
    listed = pd.read_csv(out / "images.csv").set_index("image_path")
    assert len(listed) == 20 * len(places) - 1
    assert edits[0].id not in listed.index
    assert listed["label"][edits[1].id] == edits[1].new_label
    assert (out / "images").exists() == copy
    revert(out / "manifest.json", tmp_path / ("back" if copy else "all.csv"))
    if not copy:
        assert len(pd.read_csv(tmp_path / "all.csv")) == 20 * len(places)
        return
    moved = Path(edits[1].id).parts
    place = "/".join((*moved[:-2], str(edits[1].new_label)))
    assert [p for p in (out / "images" / place).iterdir() if f"{edits[1].key:016x}" in p.name]
    with zipfile.ZipFile(tmp_path / "pets.zip") as opened:
        for name in opened.namelist():
            file = tmp_path / "back" / name.removeprefix(outer)
            assert file.read_bytes() == opened.read(name)


def test_list_of_an_image_folder_reverts_to_the_whole_list(tmp_path):
    _pictures(tmp_path / "pets")
    dataset = read_source(tmp_path / "pets")
    edits = two_edits(dataset)
    export(dataset, edits, tmp_path / "clean")
    assert not (tmp_path / "clean" / "images").exists()
    revert(tmp_path / "clean" / "manifest.json", tmp_path / "all.csv")
    assert len(pd.read_csv(tmp_path / "all.csv")) == 20


def test_a_swapped_picture_is_refused(tmp_path):
    _pictures(tmp_path / "pets")
    dataset = read_source(tmp_path / "pets")
    Image.new("RGB", (9, 9)).save(tmp_path / "pets" / "cat" / "3.png")
    with pytest.raises(MismatchError, match="changed since it was imported"):
        export(dataset, [], tmp_path / "clean")


def test_a_tree_whose_pictures_are_gone_is_refused(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(MismatchError, match="holds no pictures; it was edited"):
        restore_tree(tmp_path, [], tmp_path / "back")
