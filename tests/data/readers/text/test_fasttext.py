"""Text with labels as fastText writes them: read, several labels told, exported in place."""

import pytest
from edits import Why, make_edits
from text_cases import films

from influence_core.data.checks.check import check_dataset
from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.errors import DataError, StoreError
from influence_core.store.exports.export import export
from influence_core.store.exports.manifest import manifest_path
from influence_core.store.exports.revert import revert

WHOLE = {"valid_share": 0, "test_share": 0}
LINES = [f"__label__{label} {text}" for text, label in films()]


def written(path, lines, end="\n", encoding="utf-8"):
    path.write_bytes("".join(line + end for line in lines).encode(encoding))
    return str(path)


def read(path, **options):
    return read_source(path, ReadOptions(**WHOLE, **options))


@pytest.mark.parametrize("name", ["a.txt", "train.txt", "a.csv", "a.tsv"])
@pytest.mark.parametrize(
    "form", ["{label} {text}", "{label}\t{text}", "{text} {label}", "{label} , {text}"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_labels_and_texts_of_any_such_file(tmp_path, name, form, encoding):
    lines = [form.format(label=f"__label__{label}", text=text) for text, label in films()]
    data = read(written(tmp_path / name, lines, "\r\n", encoding))
    assert data.classes == ("negative", "positive")
    comma = ", " if "," in form else ""
    assert data.train.texts() == [comma + text for text, _ in films()]
    assert [data.classes[i] for i in data.train.labels] == [label for _, label in films()]
    assert data.source.files["train"].kind == "fasttext"
    assert any("in the way of fastText" in sentence for sentence in data.source.told)


def test_several_labels_a_line_are_told_and_the_first_can_be_kept(tmp_path):
    topics = ("acting", "look", "music", "pace")
    pairs = [(a, b) for a in topics for b in topics if a != b] * 8
    lines = [f"__label__{a} __label__{b} film {i}" for i, (a, b) in enumerate(pairs)]
    path = written(tmp_path / "a.txt", lines)
    data = read(path)
    assert any(s.startswith("96 lines of a.txt have several labels") for s in data.source.told)
    assert any("several labels a row" in f.what for f in check_dataset(data))
    data = read(path, join=("first",))
    assert data.classes == topics
    assert data.train.texts()[0] == "film 0"
    edits = make_edits(data, {int(data.train.keys[0]): "pace"}, Why("x", who="ada"))
    export(data, edits, tmp_path / "out.txt")
    left = (tmp_path / "out.txt").read_text().splitlines()
    assert left == ["__label__pace film 0", *lines[1:]]


def test_lines_without_a_label_are_named_and_left_out(tmp_path):
    path = written(tmp_path / "a.txt", ["a film without any", *LINES, "", "  "])
    with pytest.raises(DataError, match=r"Line 1 of a.txt has no label"):
        read(path)
    assert len(read(path, bad_rows="drop").train) == len(LINES)
    assert read(written(tmp_path / "b.txt", [*LINES, "", "  "])).source.read == len(LINES)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_export_changes_the_label_only_and_comes_back(tmp_path, end):
    source = tmp_path / "a.txt"
    data = read(written(source, ["", *LINES], end))
    export(data, [], tmp_path / "same.txt")
    assert (tmp_path / "same.txt").read_bytes() == source.read_bytes()
    keys = data.train.keys
    new = data.classes[1 - int(data.train.labels[1])]
    edits = make_edits(data, {int(keys[0]): None, int(keys[1]): new}, Why("x", who="ada"))
    manifest = export(data, edits, tmp_path / "out.txt")
    assert manifest.counts["rows"] == len(LINES) - 1
    old = films()[1][1]
    expected = ["", LINES[1].replace(old, new, 1), *LINES[2:]]
    assert (tmp_path / "out.txt").read_bytes() == "".join(x + end for x in expected).encode()
    revert(manifest_path(tmp_path / "out.txt", folder=False), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    export(data, edits, tmp_path / "out.csv", "csv")
    assert len(read(str(tmp_path / "out.csv")).train) == len(LINES) - 1


def test_a_label_with_blanks_is_refused(tmp_path):
    data = read(written(tmp_path / "a.txt", LINES), join=("very good=positive",))
    key = int(data.train.keys[list(data.train.labels).index(data.classes.index("negative"))])
    with pytest.raises(StoreError, match="without blanks"):
        export(data, make_edits(data, {key: "very good"}, Why("x", who="ada")), tmp_path / "o.txt")


@pytest.mark.parametrize(
    "text", ["text,label\n{t},__label__{x}\n", "label\ttext\n__label__{x}\t{t}\n"]
)
def test_such_labels_in_a_column_of_a_table_are_labels_of_a_table(tmp_path, text):
    head, row = text.splitlines()
    rows = [row.format(t=t.replace(",", ""), x=x) for t, x in films()]
    path = written(tmp_path / "a.csv", [head, *rows])
    assert read(path).classes == ("__label__negative", "__label__positive")
