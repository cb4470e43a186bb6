"""What folders mean: one rule for folders on disk and for ZIPs, by the majority, with words."""

import zipfile
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_pictures import FORMATS, pictures_at

from influence_core.data.columns import detect_columns
from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import READERS, guess_kind, read_source
from influence_core.data.readers.zip_file import pack_pictures
from influence_core.data.splitting import known_split
from influence_core.errors import DataError

WHOLE = ReadOptions(valid_share=0, test_share=0)


def class_files(*folders, n=3, classes=("circle", "square")):
    return [
        f"{f}/{c}/{i}.png".lstrip("/") for f in folders or ("",) for c in classes for i in range(n)
    ]


def packed(root):
    """The same folder as a ZIP, read like an upload."""
    archive = root.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                opened.write(path, path.relative_to(root))
    parquet = root.with_suffix(".parquet")
    pack_pictures(archive, parquet)
    return parquet


def both(root, options=WHOLE):
    """The same data set from a folder and from a ZIP of it: splits by class, and what is said."""
    found = []
    for source in (root, packed(root)):
        raws = READERS[guess_kind(str(source), options)].read(str(source), options, None)
        data = read_source(str(source), options)
        rows = {
            split.name: dict(Counter(data.classes[label] for label in split.labels))
            for split in data
        }
        left = {out.why: out.count for raw in raws for out in raw.left_out}
        told = [sentence for raw in raws for sentence in raw.told]
        found.append((rows, left, told))
    assert found[0] == found[1]
    return found[0]


EVEN = {"circle": 3, "square": 3}


@pytest.mark.parametrize(
    ("more", "left"),
    [
        ([], {}),
        (["docs/readme.txt"], {}),
        (["extra/preview.png"], {"stands in the folder 'extra' beside the splits": 1}),
        ([f"unlabeled/{i}.png" for i in range(40)],
         {"stands in the folder 'unlabeled' beside the splits": 40}),
        (["train_/0.png"], {"stands in 'train_', which has no class folders": 1}),
        (class_files("extra"), {"stands in the folder 'extra' beside the splits": 6}),
        (["preview.png", "train/overview.png"], {"stands in no class folder": 2}),
        (["train/circle/.ipynb_checkpoints/0-checkpoint.png", "__MACOSX/train/circle/._0.png"], {}),
        (["train/circle/@eaDir/0.png", "train/circle/thumbs/0.png", "train/circle/Thumbs.db"],
         {"is a thumbnail": 1}),
        ([f"test/{i}.png" for i in range(40)],
         {"stands in 'test', which has no class folders": 40}),
        (["train/circle/a.heic", "train/a.HEIC"], {"is a .heic picture, which is not read": 2}),
    ],
)  # fmt: skip
def test_split_folders_stay_splits_beside_others(tmp_path, more, left):
    files = [*class_files("train", "val"), *more]
    if more and more[0].startswith("test/"):
        files = [path for path in files if not path.startswith("val/")]
    pictures_at(tmp_path / "shapes", files)
    rows, out, _ = both(tmp_path / "shapes")
    assert rows["train"] == EVEN
    assert rows.get("valid", EVEN) == EVEN
    assert set(rows) == {"train"} | {"valid"} & {known_split(p.split("/")[0]) for p in files}
    assert out == left


def test_a_lone_split_is_one_beside_what_is_left_over(tmp_path):
    files = class_files("train") + [f"unlabeled/{i}.png" for i in range(50)]
    rows, left, _ = both(pictures_at(tmp_path / "shapes", files))
    assert rows == {"train": EVEN}
    assert left == {"stands in the folder 'unlabeled' beside the splits": 50}


def test_an_empty_folder_beside_the_splits_is_nothing(tmp_path):
    root = pictures_at(tmp_path / "shapes", class_files("train", "val"))
    (root / "__pycache__").mkdir()
    (root / "notes").mkdir()
    assert both(root)[0] == {"train": EVEN, "valid": EVEN}


@pytest.mark.parametrize(
    ("train", "test", "told"),
    [
        ("Train", "TEST", 0),
        ("training", "Validation ", 0),
        ("trn", "tst", 2),
        ("train2017", "val2017", 2),
        ("train_images", "test-images", 2),
        ("TrainSet", "holdout", 2),
    ],
)
def test_spellings_of_splits(tmp_path, train, test, told):
    root = pictures_at(tmp_path / "shapes", class_files(train, test))
    rows, _, sentences = both(root)
    assert set(rows) in ({"train", "test"}, {"train", "valid"})
    assert len(sentences) == told
    if told:
        assert f"The folder {train!r} is read as the split train." in sentences


def test_splits_below_the_classes(tmp_path):
    root = pictures_at(
        tmp_path / "shapes",
        [f"{c}/{s}/{i}.png" for c in EVEN for s in ("train", "test") for i in range(3)]
        + ["circle/odd.png"],
    )
    rows, left, _ = both(root)
    assert rows == {"train": EVEN, "test": EVEN}
    assert left == {"stands beside the splits of its class": 1}


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_class_called_like_a_split_stays_a_class(tmp_path, split):
    files = [f"{c}/{i}.png" for c in ("bus", "car", split) for i in range(3)]
    assert set(both(pictures_at(tmp_path / "a", files))[0]["train"]) == {"bus", "car", split}
    deep = [f"{c}/{i}.png" for c in ("bus", "car") for i in range(6)]
    deep += [f"{split}/{kind}/{i}.png" for kind in ("old", "new") for i in range(3)]
    rows, _, told = both(pictures_at(tmp_path / "b", deep))
    assert set(rows["train"]) == {"bus", "car", split}
    assert f"The folder {split!r} is read as a class: most pictures stand beside it." in told


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (class_files("trainin", "val", "test"), "none for train; rename 'trainin'"),
        (class_files("train", "training", "val"), "two folders for one split"),
        ([f"{s}/{i}.png" for s in ("train", "test") for i in range(4)], "no class folders in them"),
        (class_files("a/train", "a/test", "b/train", "b/test"), "one level too many"),
        ([f"{i}.png" for i in range(4)] + ["labels.csv"], r"if labels\.csv lists them"),
        (["notes.md"] + [f"circle/{i}.heic" for i in range(3)], r"it holds 3 \.heic, 1 \.md"),
    ],
)
def test_what_cannot_be_told_is_refused_with_words(tmp_path, files, sentence):
    root = pictures_at(tmp_path / "shapes", files)
    with pytest.raises(DataError, match=sentence):
        READERS["folder"].read(str(root), WHOLE, None)
    with pytest.raises(DataError, match=sentence):
        packed(root)


@pytest.mark.parametrize("outer", ["images/", "download/images/", "a/b/c/"])
def test_folders_that_hold_everything_are_no_classes(tmp_path, outer):
    files = [outer + path for path in class_files()]
    assert both(pictures_at(tmp_path / "a", files))[0] == {"train": EVEN}
    in_splits = [f"{s}/{outer}{path}" for s in ("train", "val") for path in class_files()]
    assert both(pictures_at(tmp_path / "b", in_splits))[0] == {"train": EVEN, "valid": EVEN}
    twice = [f"{outer}{s}/{s}/{path}" for s in ("train_set", "test_set") for path in class_files()]
    assert both(pictures_at(tmp_path / "c", twice))[0] == {"train": EVEN, "test": EVEN}


def test_a_picture_beside_the_folder_of_all_is_left_out(tmp_path):
    files = [*class_files("images", n=10), "preview.png", "docs/figure.png"]
    rows, left, _ = both(pictures_at(tmp_path / "shapes", files))
    assert rows == {"train": {"circle": 10, "square": 10}}
    assert left == {
        "stands in no class folder": 1, "stands in the folder 'docs' beside 'images'": 1
    }  # fmt: skip


@pytest.mark.parametrize("outer", [("camera1", "camera2"), ("images", "masks"), ("2021", "2022")])
def test_one_level_too_many_is_asked(tmp_path, outer):
    root = pictures_at(tmp_path / "shapes", class_files(*outer))
    for source in (root, packed(root)):
        with pytest.raises(DataError, match=f"--label folder_2, .*such as shapes.*/{outer[0]}"):
            read_source(str(source), WHOLE)
    inner, _, _ = both(root, ReadOptions(label_column="folder_2", valid_share=0, test_share=0))
    assert inner == {"train": {"circle": 6, "square": 6}}
    sources, _, _ = both(root, ReadOptions(label_column="folder_1", valid_share=0, test_share=0))
    assert sources == {"train": dict.fromkeys(outer, 6)}


def test_one_level_too_many_in_one_split_is_asked_for_all(tmp_path):
    root = pictures_at(
        tmp_path / "shapes", class_files("train/images", "train/masks", "val/images")
    )
    with pytest.raises(DataError, match="--label folder_2"):
        read_source(root, WHOLE)
    rows, _, _ = both(root, ReadOptions(label_column="folder_2", valid_share=0, test_share=0))
    assert rows == {"train": {"circle": 6, "square": 6}, "valid": EVEN}


@pytest.mark.parametrize("odd", ["tset", "plane", "train (copy)"])
def test_a_split_and_a_folder_like_it_are_not_guessed(tmp_path, odd):
    root = pictures_at(tmp_path / "shapes", class_files("train", odd))
    with pytest.raises(DataError, match=r"one level deeper.*'train'|two folders for one split"):
        read_source(root, WHOLE)


def test_folders_of_a_class_are_its_own(tmp_path):
    files = [f"animal/{k}/{i}.png" for k in ("cat", "dog") for i in range(3)]
    files += [f"vehicle/{k}/{i}.png" for k in ("bus", "car") for i in range(3)]
    rows, _, told = both(pictures_at(tmp_path / "things", files))
    assert rows == {"train": {"animal": 6, "vehicle": 6}}
    assert told == ["Folders in a class's folder are part of the class, such as 'cat' in 'animal'."]


@pytest.mark.parametrize("suffix", [s for s in FORMATS if s != ".png"])
@pytest.mark.parametrize("where", ["all", "one class", "mixed"])
def test_pictures_of_other_formats_are_rows(tmp_path, suffix, where):
    files = class_files(n=4)
    other = {
        "all": lambda path: True,
        "one class": lambda path: path.startswith("square"),
        "mixed": lambda path: path.endswith(("1.png", "3.png")),
    }[where]
    files = [path.replace(".png", suffix) if other(path) else path for path in files]
    rows, left, told = both(pictures_at(tmp_path / "shapes", files, size=16))
    assert rows == {"train": {"circle": 4, "square": 4}}
    assert (left, told) == ({}, [])


def test_a_class_without_a_picture_that_is_read_is_named(tmp_path):
    files = class_files() + [f"triangle/{i}.heic" for i in range(5)] + ["circle/0.xml"]
    rows, left, told = both(pictures_at(tmp_path / "shapes", files))
    assert rows == {"train": EVEN}
    assert left == {"is a .heic picture, which is not read": 5}
    assert told[0] == "Files that are no pictures are passed over: 5 .heic, 1 .xml."
    assert "['triangle']" in told[1]


def test_a_link_to_a_folder_is_counted_not_followed(tmp_path):
    root = pictures_at(tmp_path / "shapes", class_files())
    (root / "again").symlink_to(root / "circle")
    (raw,) = READERS["folder"].read(str(root), WHOLE, None)
    assert raw.table.num_rows == 6
    assert "1 without a suffix" in raw.told[0]


PARTS = st.sampled_from(
    ["train", "val", "test", "Test", "extra", "cat", "dog", "images", "a", "thumbs", ".git",
     "__MACOSX", "@eaDir", "ünïcode"]
)  # fmt: skip
FILES = st.builds(
    lambda folders, name: "/".join([*folders, name]),
    st.lists(PARTS, max_size=4),
    st.sampled_from([f"{i}.png" for i in range(4)] + ["._0.png", "n.txt", "h.heic", "Thumbs.db"]),
)


@settings(max_examples=60)
@given(st.sets(FILES, min_size=1, max_size=30))
def test_any_tree_is_read_alike_from_disk_and_from_a_zip(tmp_path_factory, files):
    root = tmp_path_factory.mktemp("t") / "tree"
    pictures_at(root, files)
    try:
        here = READERS["folder"].read(str(root), WHOLE, None)
    except DataError as error:
        with pytest.raises(DataError) as caught:
            packed(root)
        assert str(caught.value).replace("tree.zip", "tree") == str(error)
        return
    (there,) = READERS["parquet"].read(str(packed(root)), WHOLE, None)
    names = [name for name in there.table.column_names if name not in ("id", "image", "split")]
    mine = sorted(
        (str(raw.split), *map(str, row.values()))
        for raw in here
        for row in raw.table.select(names).to_pylist()
    )
    splits = there.table.column_names.count("split")
    theirs = sorted(
        (str(row.pop("split", None)), *map(str, row.values()))
        for row in there.table.select(names + ["split"] * splits).to_pylist()
    )
    assert mine == theirs
    # Every picture is a row, or is counted among those left out, or is hidden.
    shown = [
        f
        for f in files
        if f.endswith((".png", ".heic"))
        and not any(part.startswith(".") or part in ("__MACOSX", "@eaDir") for part in f.split("/"))
    ]
    counted = sum(len(raw.rows) for raw in here) + sum(
        o.count for raw in here for o in raw.left_out
    )
    assert counted == len(shown)
    detect_columns(here[0].table, ReadOptions(label_column=names[-1]), "tree")
