import json

import numpy as np
import pytest
from tiny import project

from influence_core.data.build import build_dataset
from influence_core.errors import DataError
from influence_core.store.project import Project
from influence_core.store.reviews.events import Action, Decision
from influence_core.store.reviews.state import ReviewState
from influence_core.store.reviews.store import open_reviews
from influence_core.workflow.exchange.import_decisions import (
    FORMATS,
    apply_decisions,
    read_decisions,
)
from influence_core.workflow.exchange.standing import changed_rows


@pytest.fixture
def made(tmp_path):
    return project(tmp_path / "home" / "tiny", n=12)


def said(made):
    """Reviewer, verdict and new label by position."""
    store = open_reviews(made)
    state = ReviewState()
    state.catch_up(store)
    store.close()
    found = {}
    for position, key in enumerate(made.dataset.train.keys.tolist()):
        for who, event in state.words(key).items():
            decision = event.decision
            found[position, who] = (decision.verdict, decision.new_label, decision.note)
    return found


def other(made, position):
    return made.dataset.classes[1 - made.dataset.train.labels[position]]


def hexed(made, position):
    return f"{int(made.dataset.train.keys[position]):016x}"


def test_rows_are_found_by_key_or_by_id_and_all_verdicts_are_written(made, tmp_path):
    path = tmp_path / "d.csv"
    path.write_text(
        "id,key,verdict,new_label,note\n"
        f"train-0,,relabel,{other(made, 0)},clearly\n"
        f",{hexed(made, 1).upper()},Keep,,\n"
        f"train-2,{hexed(made, 2)},exclude,,\n\n"
        "train-3,,unsure,,hm\n"
    )
    found = read_decisions(made, path)
    assert not found.problems
    assert apply_decisions(made, found, "ann", run_id="r1") == len(found) == 4
    assert said(made) == {
        (0, "ann"): ("relabel", other(made, 0), "clearly"),
        (1, "ann"): ("keep", None, ""),
        (2, "ann"): ("exclude", None, ""),
        (3, "ann"): ("unsure", None, "hm"),
    }
    store = open_reviews(made)
    assert {event.run for event in store.events()} == {"r1"}
    assert len({event.action for event in store.events()}) == 1
    store.close()


def test_applying_a_file_twice_writes_nothing_the_second_time(made, tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("id,verdict\ntrain-0,keep\ntrain-1,exclude\n")
    assert apply_decisions(made, read_decisions(made, path), "ann") == 2
    assert apply_decisions(made, read_decisions(made, path), "ann") == 0
    path.write_text("id,verdict\ntrain-0,keep\ntrain-1,keep\n")
    assert apply_decisions(made, read_decisions(made, path), "ann") == 1
    assert said(made)[1, "ann"][0] == "keep"


BAD = {
    "train-99,keep,,": "no training row has the id 'train-99'",
    "train-1,maybe,,": "'maybe' is not a verdict",
    "train-1,relabel,,": "needs a new label",
    "train-1,relabel,ugly,": "'ugly' is not a class",
    "train-1,relabel,GIVEN,": "already; say 'keep'",
    ",keep,,": "neither a key nor an id",
    "train-1,keep": "it has 2 fields and the first line names 4",
    "train-1,keep,,a,note": "it has 5 fields",
    f"train-1,keep,,{'x' * 5000}": "4,000 characters",
}


@pytest.mark.parametrize("line", list(BAD))
def test_a_bad_line_is_named_by_its_place_in_the_file_and_nothing_is_applied(made, tmp_path, line):
    path = tmp_path / "d.csv"
    given = made.dataset.classes[made.dataset.train.labels[1]]
    # The note takes three lines of the file, and a blank one follows.
    path.write_text(
        'id,verdict,new_label,note\ntrain-0,keep,,"one\ntwo\n""three"""\n\n'
        + line.replace("GIVEN", given)
        + "\ntrain-2,keep,,\n"
    )
    found = read_decisions(made, path)
    assert len(found.problems) == 1
    assert found.problems[0].startswith("line 6: ")
    assert BAD[line] in found.problems[0]
    with pytest.raises(DataError, match="line 6") as refused:
        apply_decisions(made, found, "ann")
    assert "--skip-bad" in str(refused.value)
    assert said(made) == {}
    assert apply_decisions(made, found, "ann", skip_bad=True) == 2
    assert set(said(made)) == {(0, "ann"), (2, "ann")}


def test_a_row_that_stands_twice_is_named_with_both_lines(made, tmp_path):
    path = tmp_path / "d.csv"
    path.write_text(f"id,key,verdict\ntrain-0,,keep\n,{hexed(made, 0)},exclude\n")
    (problem,) = read_decisions(made, path).problems
    assert problem.startswith("line 3: the row is 'exclude' here and 'keep' on line 2")


def test_key_and_id_of_different_rows_are_refused(made, tmp_path):
    path = tmp_path / "d.csv"
    path.write_text(f"id,key,verdict\ntrain-0,{hexed(made, 1)},keep\n")
    assert "are different rows" in read_decisions(made, path).problems[0]


def test_ids_that_repeat_need_the_key(tmp_path):
    parts = {
        "train": {"text": ["a b", "c d", "e f"], "label": [0, 1, 0], "id": ["x", "y", "z"]},
        "test": {"text": ["g h"], "label": [1], "id": ["t"]},
    }
    made = Project.create(tmp_path / "p", "P", build_dataset(parts, ["bad", "good"]), "minilm")
    made.dataset.train.ids[1] = "x"  # as a source without unique ids has them
    path = tmp_path / "d.csv"
    path.write_text("id,verdict\nx,keep\n")
    assert "several rows have the id 'x'" in read_decisions(made, path).problems[0]


@pytest.mark.parametrize(
    ("form", "content", "sentence"),
    [
        ("csv", b"", "is empty"),
        ("csv", b"id,note\n1,x\n", "need 'verdict'"),
        ("csv", b"verdict\nkeep\n", "need 'verdict'"),
        ("csv", b"id,verdict\n", "holds no decision"),
        ("csv", b'"id","verdict"\n"train-0,keep\n', "never closed"),
        ("jsonl", b"", "holds no decision"),
        ("jsonl", b"\xff\xfe{", "not UTF-8"),
        ("label-studio", b"{}", "not a list"),
        ("argilla", b"[1]", "not a list"),
        ("argilla", b"[", "not JSON"),
        ("xls", b"", "'xls' is not a format"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(
    made, tmp_path, form, content, sentence
):
    path = tmp_path / "d.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        read_decisions(made, path, form)


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_file_that_is_not_there_is_named(made, tmp_path, form):
    with pytest.raises(DataError, match="nowhere"):
        read_decisions(made, tmp_path / "nowhere", form)


def test_a_broken_line_of_json_is_one_bad_line_among_good_ones(made, tmp_path):
    path = tmp_path / "d.jsonl"
    good = json.dumps({"id": "train-0", "verdict": "keep"})
    path.write_text(f"{good}\n{{oops\n[1]\n\n{good.replace('0', '1')}\n")
    found = read_decisions(made, path, "jsonl")
    assert len(found) == 2
    assert [p.split(":")[0] for p in found.problems] == ["line 2", "line 3"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_other_encodings_and_delimiters_are_read(made, tmp_path, encoding):
    path = tmp_path / "d.csv"
    path.write_bytes("id;verdict;note\ntrain-0;keep;schön\n".encode(encoding))
    apply_decisions(made, read_decisions(made, path), "ann")
    assert said(made) == {(0, "ann"): ("keep", None, "schön")}


def test_the_file_may_name_reviewers_and_one_row_may_have_several(made, tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("id,verdict,reviewer\ntrain-0,keep,bob\ntrain-0,exclude,\ntrain-1,keep,bob\n")
    assert apply_decisions(made, read_decisions(made, path), "ann") == 3
    assert {at: word[0] for at, word in said(made).items()} == {
        (0, "bob"): "keep",
        (0, "ann"): "exclude",
        (1, "bob"): "keep",
    }
    with pytest.raises(DataError, match="two decisions"):
        apply_decisions(made, read_decisions(made, path), "bob")


def test_decisions_about_changed_and_vanished_rows_are_listed_and_not_applied(made, tmp_path):
    keys, hashes = made.dataset.train.keys, made.dataset.train.content_hashes
    old = int(hashes[0]) ^ 1
    store = open_reviews(made)
    wrong = [
        Decision(int(keys[0]), old, "exclude", "bad"),
        Decision(77, 5, "keep", "bad"),
        Decision(int(keys[1]), int(hashes[1]), "keep", "bad"),
    ]
    store.append(Action("ann", wrong, "f"))
    assert len(changed_rows(made, store)) == 2
    store.close()
    table = changed_rows(made).set_index("key")
    assert table["why"].to_dict() == {keys[0]: "the content changed", 77: "the row is gone"}
    assert table["verdict"][keys[0]] == "exclude"
    path = tmp_path / "d.csv"
    path.write_text(f"id,verdict,content\ntrain-0,keep,{old:016x}\ntrain-1,keep,\n")
    found = read_decisions(made, path)
    assert found.problems == ["line 2: the row's content has changed since the decision."]


def test_undone_decisions_are_not_listed(made):
    store = open_reviews(made)
    store.append(Action("ann", [Decision(77, 5, "keep", "bad")], "f", id="one"))
    store.undo("one", Action("ann", [], "f"))
    store.close()
    assert changed_rows(made).empty
    assert changed_rows(made)["key"].dtype == np.uint64
