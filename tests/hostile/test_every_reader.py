"""Every reader of `data.readers` meets damaged and cut-off files: a data set, or one sentence."""

import shutil
import zipfile

import pytest
from damage import EDITS, damaged
from hypothesis import given
from hypothesis import strategies as st
from kinds import KINDS, reviews, write
from text_cases import films
from tiny import png

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import READERS, guess_kind
from influence_core.errors import TurnoverError
from influence_core.workflow.projects.preview import first_look, inspect_source
from influence_core.workflow.projects.uploads import readable


def fasttext(folder):
    (folder / "a.txt").write_text("".join(f"__label__{y} {x}\n" for x, y in films()))
    return folder / "a.txt"


def texts(folder):
    for i, (text, label) in enumerate(films(8)):
        path = folder / "set" / "train" / label / f"{i}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "set"


def pictures(folder):
    for label, shade in (("cat", 40), ("dog", 200)):
        for i in range(3):
            path = folder / "set" / label / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(shade + i))
    return folder / "set"


def tables(folder):
    (folder / "set").mkdir()
    for name, start in (("train.csv", 0), ("test.jsonl", 50)):
        made = {"train.csv": "a.csv", "test.jsonl": "a.jsonl"}[name]
        write(made, folder / "set", reviews(start=start)).rename(folder / "set" / name)
    return folder / "set"


def saved(folder):
    import datasets

    data = datasets.Dataset.from_pandas(reviews())
    datasets.DatasetDict({"train": data, "test": data}).save_to_disk(str(folder / "set"))
    return folder / "set"


def packed(of):
    def made(folder):
        inside = of(folder)
        with zipfile.ZipFile(folder / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(inside.rglob("*")):
                archive.write(path, path.relative_to(inside).as_posix())
        shutil.rmtree(inside)
        return folder / "set.zip"

    return made


SOURCES = {
    **{name: lambda folder, name=name: write(name, folder) for name in KINDS},
    "fasttext": fasttext, "texts": texts, "folder": pictures, "tables": tables, "hf": saved,
    "zip of pictures": packed(pictures), "zip of tables": packed(tables),
    "zip of texts": packed(texts),
}  # fmt: skip
BAD_ROWS = ("drop", "refuse", "keep")


def tried(source, home):
    """Looked at and read as the wizard and the command line do; says whether it could be read."""
    for options in (None, *(ReadOptions(bad_rows=how) for how in BAD_ROWS)):
        try:
            with readable(home, str(source)) as ready:
                if options is None:
                    first_look(ready)
                else:
                    inspect_source(ready, options)
        except TurnoverError as error:
            assert str(error) and "\n" not in str(error) and len(str(error)) < 900
            assert "/turnover-" not in str(error)  # a folder that nobody knows
            if options is not None and options.bad_rows == "drop":
                return False
    return True


@pytest.fixture(scope="module", params=SOURCES)
def source(request, tmp_path_factory):
    return SOURCES[request.param](tmp_path_factory.mktemp("whole"))


def test_the_whole_file_can_be_read(source, tmp_path):
    assert tried(source, tmp_path)


@given(which=st.integers(0, 99), edits=EDITS)
def test_after_edits(source, tmp_path_factory, which, edits):
    meet(source, tmp_path_factory, which, lambda data: damaged(data, edits))


@given(which=st.integers(0, 99), share=st.floats(0, 1))
def test_cut_off(source, tmp_path_factory, which, share):
    meet(source, tmp_path_factory, which, lambda data: data[: int(share * len(data))])


def meet(source, tmp_path_factory, which, change):
    """A copy of the source, one file of it changed."""
    folder = tmp_path_factory.mktemp("bent")
    copied = folder / source.name
    (shutil.copytree if source.is_dir() else shutil.copy)(source, copied)
    files = sorted(path for path in copied.rglob("*") if path.is_file()) or [copied]
    path = files[which % len(files)]
    path.write_bytes(change(path.read_bytes()))
    tried(copied, folder)
    shutil.rmtree(folder)


def test_no_reader_is_missing(tmp_path):
    found = set()
    for number, make in enumerate(SOURCES.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        with readable(folder, str(make(folder))) as ready:
            found.add(guess_kind(ready, ReadOptions()))
    # fastText is told from CSV by what is in it; the hub is asked over the network only.
    assert found | {"fasttext", "hub"} == set(READERS)
