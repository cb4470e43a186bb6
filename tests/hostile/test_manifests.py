"""Manifests of exports bent by hand: the source's bytes come back, or one sentence and no file."""

import json
import math
import shutil

import pandas as pd
import pytest
from damage import EDITS, JSON, WORDS, damaged, prints
from edits import Why, make_edits
from hypothesis import given, settings
from hypothesis import strategies as st
from imports import refusal
from tiny import png

from influence_core.data.readers.registry import read_source
from influence_core.store.exports.edits import ExportOptions
from influence_core.store.exports.export import export
from influence_core.store.exports.manifest import manifest_path
from influence_core.store.exports.revert import revert

FORMS = ("csv", "parquet", "hf", "folder")
SOME = settings(max_examples=settings.default.max_examples // 2)
NUMBERS = st.sampled_from([0, 1, -1, 2**31, 2**63, 2**70, math.inf, math.nan, 1.5, True, "7", ""])
NAMES = st.sampled_from(["", "a/b", "/etc/passwd", "x" * 300, "images", "\ud800", "a\x00", 5, None])


def source(folder, form):
    if form == "folder":
        for i in range(6):
            (folder / "pets" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
            (folder / "pets" / "ab"[i % 2] / f"{i}.png").write_bytes(png(i))
        return folder / "pets"
    frame = pd.DataFrame({"text": [f"row {i}" for i in range(12)], "label": ["a", "b"] * 6})
    frame.to_csv(folder / "data.csv", index=False)
    if form == "csv":
        return folder / "data.csv"
    frame.to_parquet(folder / "data.parquet", index=False)
    return folder / "data.parquet"


@pytest.fixture(scope="module", params=FORMS)
def exported(request, tmp_path_factory):
    """An export of every format, alone in its folder, and what it goes back to."""
    form = request.param
    place = tmp_path_factory.mktemp(form)
    dataset = read_source(source(place, form))
    first, second = dataset.train.keys[:2].tolist()
    other = dataset.classes[1 - int(dataset.train.labels[1])]
    (place / "out").mkdir()
    out = place / "out" / f"clean.{form}"
    options = ExportOptions(copy_images=form == "folder")
    export(
        dataset, make_edits(dataset, {first: None, second: other}, Why("test")), out, form, options
    )
    manifest = manifest_path(out, folder=out.is_dir())
    revert(manifest, place / "whole")
    return manifest, place, prints(place / "whole") or (place / "whole").read_bytes()


def check(exported, content):
    """Follow the bent manifest; whatever comes out is the source, and all else is as it was."""
    manifest, place, wanted = exported
    whole, back = manifest.read_bytes(), place / "back"
    try:
        manifest.write_bytes(content)
        before = prints(place)
        said = refusal(lambda: revert(manifest, back))
        assert said is None or (not back.exists() and len(said) < 2_000)
        if said is None:
            assert (prints(back) if back.is_dir() else back.read_bytes()) == wanted
        assert {name: it for name, it in prints(place).items() if name in before} == before
    finally:
        manifest.write_bytes(whole)
        shutil.rmtree(back) if back.is_dir() else back.unlink(missing_ok=True)


@SOME
@given(edits=EDITS)
def test_edits_of_the_file(exported, edits):
    check(exported, damaged(exported[0].read_bytes(), edits))


@SOME
@given(part=st.sampled_from(["format", "name", "sha256", "rows", "source", "provenance", "options",
                             "edits", "notes", "revert", "created", "version", "kind", "counts"]),
       value=JSON)  # fmt: skip
def test_any_value_of_a_part(exported, part, value):
    check(exported, json.dumps(json.loads(exported[0].read_bytes()) | {part: value}).encode())


PATCHES = st.lists(
    st.fixed_dictionaries({"at": NUMBERS, "length": NUMBERS, "original": WORDS | st.just("eA==")}),
    max_size=3,
)
MOVES = st.lists(st.fixed_dictionaries({"old": WORDS | NAMES, "new": WORDS | NAMES}), max_size=3)


@given(way=st.fixed_dictionaries(
    {"kind": st.sampled_from(["patches", "file", "files", "tree", [], {}, 1])},
    optional={"patches": PATCHES | JSON, "file": WORDS | NAMES, "parts": st.lists(WORDS | NAMES)
              | JSON, "moves": MOVES | JSON, "sha256": WORDS.filter(bool) | NAMES.filter(bool)},
), kept=st.booleans())  # fmt: skip
def test_any_way_back(exported, way, kept):
    value = json.loads(exported[0].read_bytes())
    value["revert"] = (value["revert"] if kept else {"sha256": "0" * 64}) | way
    check(exported, json.dumps(value).encode())


@pytest.mark.parametrize("exported", ["folder"], indirect=True)
def test_a_tree_of_before_there_was_a_hash_of_its_source(exported):
    value = json.loads(exported[0].read_bytes())
    del value["revert"]["sha256"]
    check(exported, json.dumps(value).encode())
