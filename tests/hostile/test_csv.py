"""CSV files from the upload to the project: what is accepted is read as it was written."""

import csv
import io
import os
import shutil

import pytest
from damage import EDITS, damaged, prints
from hypothesis import given, settings
from hypothesis import strategies as st
from imports import imported, refusal
from tiny import png, project

from influence_core.workflow.projects.uploads import keep_upload

FEW = settings(max_examples=settings.default.max_examples // 2)
WHOLE = "id,text,label\n" + "".join(f"n{i},sentence {i},{'ab'[i % 2]}\n" for i in range(12))
WORDS = st.sampled_from(
    [
        "", " ", "a", "b", "0", "-1", "1e999", "nan", "9" * 400, "\x00", "\ufeff", "\u202e\u200b",
        "../../x", "/etc/passwd", "C:\\x", "=cmd()", '"', 'a"b', "a\nb", "a\r", ",", "\ud83d\ude00"
        .encode("utf-16", "surrogatepass").decode("utf-16"), "<script>", "![x](http://x)",
        "很好" * 45, "🎬" * 64,  # longer as bytes than a file's name may be
    ]
)  # fmt: skip
HEADS = st.lists(
    st.sampled_from(["id", "text", "label", "split", "key", "row", "image_path", "", "a\x00", "x"]),
    max_size=5,
)


@pytest.fixture
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("csv")
    (folder / "in").mkdir()
    project(folder / "home" / "other", n=6)
    return folder


def tried(place, data, **options):
    """Upload and import these bytes; the next example finds the folder as this one did."""
    home = place / "home"
    before = prints(home)
    try:
        paths = []
        sentence = refusal(lambda: paths.append(keep_upload(home, "data.csv", data)))
        if sentence is not None:
            assert prints(home) == before
            return None
        return imported(paths[0], home, **options)
    finally:
        shutil.rmtree(home / ".uploads", ignore_errors=True)
        shutil.rmtree(home / "made", ignore_errors=True)


def test_edits_of_a_good_file_in_any_encoding(place):
    @given(edits=EDITS, encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
           drop_bad=st.booleans())  # fmt: skip
    def check(edits, encoding, drop_bad):
        tried(place, damaged(WHOLE.encode(encoding), edits), drop_bad=drop_bad)

    check()


def test_any_table_of_words(place):
    @FEW
    @given(head=HEADS, rows=st.lists(st.lists(WORDS, max_size=5), max_size=8), quoted=st.booleans())
    def check(head, rows, quoted):
        out = io.StringIO(newline="")
        if quoted:
            csv.writer(out).writerows([head, *rows])
        else:  # quotes and breaks stand as they are, so fields fall apart
            out.write("\n".join(",".join(row) for row in [head, *rows]))
        tried(place, out.getvalue().encode("utf-8"), drop_bad=True)

    check()


def test_what_is_accepted_is_read_as_it_was_written(place):
    @FEW
    @given(ids=st.lists(WORDS, min_size=8, max_size=8, unique=True), texts=st.lists(
        WORDS, min_size=8, max_size=8))  # fmt: skip
    def check(ids, texts):
        out = io.StringIO(newline="")
        writer = csv.writer(out, quoting=csv.QUOTE_ALL)
        writer.writerow(["id", "text", "label"])
        rows = [(f"{name}{i}", f"{i}{text}", "ab"[i % 2]) for i, (name, text) in enumerate(
            zip(ids, texts, strict=True))]  # fmt: skip
        writer.writerows(rows)
        made = tried(place, out.getvalue().encode("utf-8"), label="label", content="text")
        if made is None:
            return
        found = {
            (name, text, made.dataset.classes[label])
            for split in made.dataset
            for name, text, label in zip(split.ids, split.texts(), split.labels, strict=True)
        }
        assert found == set(rows)

    check()


def test_paths_of_pictures_lead_nowhere_else(place):
    inside = place / "in"
    for i in range(4):
        (inside / f"{i}.png").write_bytes(png(i))
    (place / "secret.png").write_bytes(png(99))
    (inside / "link.png").symlink_to(place / "secret.png")
    os.mkfifo(inside / "pipe.png")
    good = [f"{i}.png" for i in range(4)]
    bad = ["../secret.png", str(place / "secret.png"), "link.png", "./../in/../secret.png",
           "a\x00.png", "pipe.png", "x" * 300 + ".png", "in.png/", "~/secret.png"]  # fmt: skip

    @FEW
    @given(paths=st.lists(st.sampled_from(good + bad), min_size=2, max_size=8), drop=st.booleans())
    def check(paths, drop):
        lines = [f'"{path}",{"ab"[i % 2]}' for i, path in enumerate([*good, *paths])]
        (inside / "data.csv").write_text("\n".join(["image,label", *lines]))
        try:
            made = imported(inside / "data.csv", place / "home", drop_bad=drop)
            assert made is None or drop or not set(paths) & set(bad)
            for split in made.dataset if made else ():
                for i in range(len(split)):
                    assert split.image_bytes(i) != png(99)
        finally:
            shutil.rmtree(place / "home" / "made", ignore_errors=True)

    check()
