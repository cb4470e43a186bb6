"""Records and tables of runs, bent: everything that reads them answers or refuses in a sentence."""

import json

import pytest
from damage import EDITS, JSON, damaged, prints
from hypothesis import given, settings
from hypothesis import strategies as st
from opened import trained, used

from influence_core.errors import StoreError

SOME = settings(max_examples=settings.default.max_examples // 2)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs") / "tiny")


def check(made, name, content):
    """Put the content in place of a file of the run, and read everything."""
    project, run_id = made
    file = project.root / "runs" / run_id / name
    whole = file.read_bytes()
    try:
        file.write_bytes(content)
        before = prints(project.root)
        used(project, run_id)
        assert prints(project.root) == before
    finally:
        file.write_bytes(whole)


def record(made):
    project, run_id = made
    return json.loads((project.root / "runs" / run_id / "run.json").read_bytes())


def test_the_whole_run_is_read_without_a_word(made):
    assert used(*made) == []


@SOME
@given(edits=EDITS)
def test_edits_of_the_record(made, edits):
    whole = json.dumps(record(made), indent=1).encode()
    check(made, "run.json", damaged(whole, edits))


PARTS = ["config", "metrics", "isolation", "files", "kind", "seed", "created", "note", "encoder",
         "encoder_fingerprint", "fingerprint"]  # fmt: skip


@SOME
@given(changes=st.dictionaries(st.sampled_from(PARTS), JSON, min_size=1, max_size=2))
def test_any_value_in_the_record(made, changes):
    check(made, "run.json", json.dumps(record(made) | changes).encode())


INNER = [
    ("config", "head"), ("config", "training"), ("config", "options"), ("config", "network"),
    ("metrics", "epochs"), ("metrics", "test_accuracy"), ("isolation", "headline"),
    ("isolation", "isolated"), ("head", "features"), ("head", "members"), ("head", "p"),
    ("head", "seed"), ("head", "width"), ("training", "epochs"), ("training", "learning_rate"),
]  # fmt: skip


@SOME
@given(where=st.sampled_from(INNER), value=JSON, gone=st.booleans(),
       kind=st.sampled_from(["head", "head", "network"]))  # fmt: skip
def test_any_value_inside_the_record(made, where, value, gone, kind):
    whole = record(made) | {"kind": kind}
    outer, inner = where
    place = whole["config"][outer] if outer in ("head", "training") else whole[outer]
    if gone:
        place.pop(inner, None)
    else:
        place[inner] = value
    check(made, "run.json", json.dumps(whole).encode())


@SOME
@given(lines=st.lists(JSON | st.builds(
    lambda stage, metrics: {"stage": stage, "metrics": metrics},
    st.sampled_from(["train", 1]),
    JSON | st.fixed_dictionaries({"epoch": JSON, "learned_loss": JSON, "test_loss": JSON}),
), max_size=3))  # fmt: skip
def test_any_line_of_the_history(made, lines):
    check(made, "progress.jsonl", "\n".join(map(json.dumps, lines)).encode())


@SOME
@given(name=st.sampled_from(["rows", "pred-test", "labels", "audit"]), edits=EDITS)
def test_edits_of_tables(made, name, edits):
    project, run_id = made
    whole = (project.root / "runs" / run_id / f"{name}.parquet").read_bytes()
    check(made, f"{name}.parquet", damaged(whole, edits))


@SOME
@given(value=JSON, part=st.sampled_from(
    ["run", "created", "estimator", "settings", "figures", "checks", "", "more"]))  # fmt: skip
def test_any_evaluation(made, value, part):
    project, run_id = made
    file = project.root / "evaluation.json"
    good = {"run": run_id, "created": "2026-01-01T00:00:00+00:00"}
    file.write_text(json.dumps(value if not part else good | {part: value}))
    try:
        used(project, run_id)
    finally:
        file.unlink()


@pytest.mark.parametrize("content", ["a file of a terabyte", b"[" * 10**6, b'{"a":' * 10**6])
@pytest.mark.parametrize("name", ["run.json", "progress.jsonl", "../../project.toml"])
def test_a_huge_or_deep_record_is_one_sentence(made, name, content):
    project, run_id = made
    file = (project.root / "runs" / run_id / name).resolve()
    whole = file.read_bytes()
    try:
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            with file.open("r+b") as opened:
                opened.truncate(1 << 40)  # takes no room on the disk
        with pytest.raises(StoreError, match="is damaged") as caught:
            type(project).open(project.root).run(run_id).progress()
        assert len(str(caught.value)) < 1_000
    finally:
        file.write_bytes(whole)
