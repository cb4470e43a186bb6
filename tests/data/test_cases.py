"""Files as people bring them, each under the name of its case: read right, or refused with words.

A case says how its file is made, with which options it is read, and what is right: the rows that
are read, or the sentence that refuses; and what is told or found beside.
"""

import io
import json
import zipfile

import datasets
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image
from text_cases import films, spoken, written
from tiny import png

from influence_core.data.checks.check import check_dataset
from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.errors import DataError
from influence_core.workflow.projects.uploads import readable

FILMS = films(40)
TOPICS = ("acting", "look", "music")


def text(name, content, encoding="utf-8"):
    def make(folder):
        data = content if isinstance(content, bytes) else content.encode(encoding)
        (folder / name).write_bytes(data)
        return folder / name

    return make


def frame(name, write, **columns):
    """A table of the films with other columns, by a function of the row."""

    def make(folder):
        made = pd.DataFrame(FILMS, columns=["text", "label"])
        for column, value in columns.items():
            made[column] = [value(i) for i in range(len(made))]
        getattr(made, write)(folder / name, **({} if write == "to_feather" else {"index": False}))
        return folder / name

    return make


def labels(name, label):
    return text(name, written([(x, label(i)) for i, (x, _) in enumerate(FILMS)]))


def tree(*paths, n=6, suffix=".png", form=None, zipped=False, mark="/"):
    """Pictures in these folders, of which one that begins with "!" holds one broken file."""

    def make(folder):
        files = {}
        for shade, path in enumerate(paths):
            if path.startswith("!"):
                files[path[1:]] = b"broken"
                continue
            for i in range(n):
                out = io.BytesIO()
                Image.open(io.BytesIO(png(20 * shade + i))).save(out, form or "PNG")
                files[f"{path}/{shade}_{i}{suffix}"] = out.getvalue()
        if zipped:
            with zipfile.ZipFile(folder / "set.zip", "w") as archive:
                for path, data in files.items():
                    archive.writestr(path.replace("/", mark), data)
            return folder / "set.zip"
        for path, data in files.items():
            (folder / "set" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "set" / path).write_bytes(data)
        return folder / "set"

    return make


def listed(path):
    """A CSV of pictures by these paths, beside them."""

    def make(folder):
        tree("circle", "square", n=12)(folder)
        rows = [(path(i), ["circle", "square"][i // 12]) for i in range(24)]
        (folder / "set" / "a.csv").write_text(written(rows, ("path", "label")))
        return folder / "set" / "a.csv"

    return make


def glue_like(folder):
    rows = [{"text": x, "label": int(y == "positive")} for x, y in FILMS]
    hidden = [{"text": f"A film {i}.", "label": -1} for i in range(9)]
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    )
    parts = {"train": rows, "test": hidden}
    made = {k: datasets.Dataset.from_list(v, features=features) for k, v in parts.items()}
    datasets.DatasetDict(made).save_to_disk(str(folder / "set"))
    return folder / "set"


def several(mark):
    return lambda i: mark.join(TOPICS[: 1 + i % 3]) if i % 2 else TOPICS[i % 3]


NO_NAMES = r"reads like a row.*\(--header\).*\(--no-header\)"
SHORT = "".join([f"{x},{y},,\n" for x, y in FILMS[:9]] + [f"{x},{y}\n" for x, y in FILMS[9:]])
USUAL = ("train", "train", "valid", "test")
SPLIT = {"split": lambda i: None if i == 11 else USUAL[i % 4]}
RIGHT = {
    # name: (how it is made, options, rows or the sentence that refuses, what is told or found)
    "01-encoding/ru_cp1251": (
        text("a.csv", written(spoken("ru", 40)), "cp1251"), {}, 40, "read as cp1251"),
    "01-encoding/ja_cp932": (
        text("a.csv", written(spoken("ja", 40)), "cp932"), {"encoding": "cp932"}, 40, "cp932"),
    "02-one-bad-byte/fr_one_byte": (
        text("a.csv", written(spoken("fr", 40)).encode().replace(b"17 ", b"17\xe9 ")), {},
        r"Line 19 of a.csv does not fit UTF-8.*--encoding", ""),
    "03-sep-line/sep_semicolon": (
        text("a.csv", "sep=;\r\n" + written(FILMS, delimiter=";")), {}, 40, "1 lines above"),
    "04-no-header/headerless_2col": (text("a.csv", written(FILMS, None)), {}, NO_NAMES, ""),
    "04-no-header/named": (
        text("a.csv", written(FILMS, None)),
        {"header": False, "label_column": "column_2"}, 40, "no line of names"),
    "04-no-header/fasttext": (
        text("a.txt", "".join(f"__label__{y} {x}\n" for x, y in FILMS)), {}, 40, "fastText"),
    "05-backslash-quotes/mysql_dump": (
        text("a.csv", "text,label\n" + "".join(f'"A \\"{x}\\", so","{y}"\n' for x, y in FILMS)),
        {}, 40, "quoting backslash"),
    "06-blank-after-comma/space_before_quote": (
        text("a.csv", "text, label\n" + "".join(f'"{x}, so", "{y}"\n' for x, y in FILMS)),
        {"label_column": "label"}, 40, "blanks before fields"),
    "07-trailing-empty/excel_drops_tail": (
        text("a.csv", "text,label,note,more\n" + SHORT), {}, 40, "31 rows of a.csv are shorter"),
    "09-float-labels/int_and_float": (
        labels("a.csv", lambda i: ("0", "1", "0.0", "1.0")[i % 4]), {}, 40,
        "may be one class: '0', '0.0'"),
    "10-nan-words/label_nan": (
        labels("a.csv", lambda i: ("a", "b", "nan")[i % 3]), {}, 40, "reads like a missing label"),
    "11-look-alike-labels/zwsp": (
        labels("a.csv", lambda i: ("a", "b", "a\u200b")[i % 3]), {}, 40, "may be one class"),
    "13-split-column/split_one_blank": (
        frame("a.csv", "to_csv", **SPLIT), {}, "Line 13 of a.csv has no split in column", ""),
    "13-split-column/is_test": (
        frame("a.csv", "to_csv", is_test=lambda i: i % 5 == 1), {}, 40, "'is_test' names"),
    "14-multi-label/pipe": (labels("a.csv", several("|")), {}, 40, "several labels a row"),
    "14-multi-label/semicolon": (labels("a.csv", several(";")), {}, 40, "several labels a row"),
    "14-multi-label/one_hot": (
        text("a.csv", "text,plot,look\n" + "".join(
            f"{x},{i % 2},{i // 2 % 2}\n" for i, (x, _) in enumerate(FILMS))), {},
        "one column a label.*--label plot", ""),
    "15-text-pairs/nli": (
        text("a.csv", written([(x, x[::-1], y) for x, y in FILMS],
                              ("premise", "hypothesis", "label"))), {}, 40,
        "--content premise,hypothesis"),
    "16-ids/dup_ids": (
        frame("a.csv", "to_csv", id=lambda i: max(i, 1)), {}, r"repeats the id '1'.*--no-id", ""),
    "17-many-classes/c500_r600": (
        labels("a.csv", lambda i: f"task_{i}"), {"label_column": "label"}, 40, "fewer than 5 rows"),
    "17-many-classes/guessed": (
        labels("a.csv", lambda i: f"t{i}"), {"label_column": None}, 40, "fewer than 5 rows"),
    "18-imbalance/one_in_1000": (
        labels("a.csv", lambda i: "fraud" if i == 3 else "ok"), {}, 40, "'fraud' has 1 row"),
    "21-folder-junk/shapes": (
        tree("circle", "square", "circle/.ipynb_checkpoints"), {}, 12, ""),
    "22-split-plus-extra/with_extra": (
        tree("train/a", "train/b", "val/a", "val/b", "extra"), {}, 24, "beside the splits"),
    "23-extra-level/images_and_masks": (
        tree("images/circle", "images/square", "masks/circle", "masks/square"), {},
        r"\['images', 'masks'\] hold .*--label folder_1 or --label folder_2.*images", ""),
    "23-extra-level/images_named": (
        tree("images/circle", "images/square", "masks/circle", "masks/square"),
        {"label_column": "folder_2"}, 24, ""),
    "23-extra-level/download": (tree("download/circle", "download/square"), {}, 12, ""),
    "24-other-formats/all_tiff": (
        tree("circle", "square", suffix=".tiff", form="TIFF"), {}, 12, ""),
    "28-image-csv/blank_end": (
        listed(lambda i: f"{['circle', 'square'][i // 12]}/{i // 12}_{i % 12}.png "), {}, 24, ""),
    "28-image-csv/backslash": (
        listed(lambda i: f"{['circle', 'square'][i // 12]}\\{i // 12}_{i % 12}.png"), {}, 24, ""),
    "28-image-csv/url": (
        listed(lambda i: f"https://example.org/{i}.png"), {}, "URLs are not fetched", ""),
    "30-zip/backslash": (tree("circle", "square", zipped=True, mark="\\"), {}, 12, ""),
    "30-zip/one_broken": (
        tree("circle", "square", "!circle/broken.png", zipped=True), {},
        "circle/broken.png of set.zip has a bad image", ""),
    "30-zip/one_broken_dropped": (
        tree("circle", "square", "!circle/broken.png", zipped=True), {"bad_rows": "drop"}, 12,
        "has a bad image"),
    "31-parquet/split_category": (
        frame("a.parquet", "to_parquet", split=lambda i: USUAL[i % 4]), {}, 40, ""),
    "32-hf/glue_like": (glue_like, {}, 40, "Split test: 9 rows without labels"),
    "33-other-files/data.jsonl": (
        text("a.jsonl", "\n".join(json.dumps({"text": x, "label": y}) for x, y in FILMS)),
        {}, 40, ""),
    "33-other-files/data.json": (
        text("a.json", json.dumps([{"text": x, "label": y} for x, y in FILMS])), {}, 40, ""),
    "33-other-files/columns.json": (
        text("a.json", json.dumps({"text": [x for x, _ in FILMS], "label": [y for _, y in FILMS]})),
        {}, 40, ""),
    "33-other-files/data.xlsx": (frame("a.xlsx", "to_excel"), {}, 40, ""),
    "33-other-files/data.arrow": (frame("a.feather", "to_feather"), {}, 40, ""),
    "36-odd-texts/dup_ws_case": (
        text("a.csv", written([(*row, "train") for row in FILMS] + [
            (f" {x.upper()}", y, "test") for x, y in FILMS[:7]], ("text", "label", "split"))),
        {}, 47, "7 rows of test have the same content as a row of train, apart from case"),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_case_is_read_right_or_refused_with_words(tmp_path, name):
    make, options, right, words = RIGHT[name]
    source = make(tmp_path)
    how = ReadOptions(**{"valid_share": 0, "test_share": 0, **options})
    with readable(tmp_path / "home", str(source)) as ready:
        if isinstance(right, str):
            with pytest.raises(DataError, match=right) as caught:
                read_source(ready, how)
            assert "\n" not in str(caught.value)
            return
        data = read_source(ready, how)
    assert sum(map(len, data)) == right
    aside = sum(out.count for out in data.source.left_out) + sum(data.source.unlabelled.values())
    assert data.source.read == right + aside
    beside = [*data.source.told, *(out.why for out in data.source.left_out)]
    beside += [finding.what for finding in check_dataset(data)]
    assert any(words in sentence for sentence in beside) or not words, beside


def test_a_category_column_counts_as_text(tmp_path):
    made = pd.DataFrame(FILMS, columns=["text", "label"]).astype("category")
    made["split"] = pd.Categorical([USUAL[i % 4] for i in range(40)])
    made.to_parquet(tmp_path / "a.parquet")
    assert pa.types.is_dictionary(pa.Schema.from_pandas(made).field("split").type)
    data = read_source(tmp_path / "a.parquet", ReadOptions())
    assert {split.name: len(split) for split in data} == {"train": 20, "valid": 10, "test": 10}
