"""`turnover check`: what it finds in files of several kinds, how it ends, and what it refuses."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
from commands import options_of
from text_cases import spoken
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.data.checks.quality import can_measure
from influence_core.data.options import ReadOptions
from influence_core.errors import DataError
from influence_core.store.project import projects_home
from influence_core.workflow.projects.rules import RULES, Limit, read_rules

ROOT = Path(__file__).resolve().parents[2]


def check(*words):
    return CliRunner().invoke(app, ["check", *map(str, words)])


def checked(*words, code=0):
    """The rules by name; and nothing was made."""
    answer = check(*words, "--json")
    assert answer.exit_code == code, answer.output
    assert not projects_home().exists() or not list(projects_home().iterdir())
    told = json.loads(answer.stdout)
    return {rule["rule"]: rule for rule in told["rules"]} | {"broken": told["broken"]}


def sentence(answer):
    return " ".join(answer.stderr.split())


@pytest.fixture
def films(tmp_path):
    """40 rows, a pair that agrees, one that does not, an empty text, a row without a label."""
    rows = [f"film number {i},{'good' if i % 2 else 'bad'}" for i in range(40)]
    rows += ["the same,good", "the same,good", "another,good", "Another!,bad", '" ",good', "last,"]
    path = tmp_path / "films.csv"
    path.write_text("\n".join(["text,label", *rows]) + "\n", "utf-8")
    return path


def clouds(rows=240, wrong=24, seed=0):
    """Features of two clear classes in mixed order, and labels of which some are wrong."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 2, rows)
    x = rng.normal(size=(rows, 12)) + 4.0 * true[:, None]
    given = true.copy()
    given[:wrong] = 1 - given[:wrong]
    return x.astype(np.float32), given


@pytest.fixture
def rows(tmp_path):
    """A Parquet file with features beside it, 24 of 240 labels wrong."""
    x, given = clouds()
    frame = pd.DataFrame({"text": [f"row {i}" for i in range(len(x))], "label": given.astype(str)})
    frame.to_parquet(tmp_path / "rows.parquet")
    np.save(tmp_path / "x.npy", x)
    return tmp_path / "rows.parquet", x, given


def test_rows_of_a_csv_are_counted_once_and_named(films):
    found = checked(films)
    counts = {name: rule["count"] for name, rule in found.items() if name != "broken"}
    assert {name: count for name, count in counts.items() if count} == {
        "missing-labels": 1, "empty-texts": 1, "duplicates": 2, "conflicting-duplicates": 2,
        "missing-splits": 2,
    }  # fmt: skip
    assert found["conflicting-duplicates"]["findings"][0]["rows"] == [43, 44]
    assert found["duplicates"]["of"] == 46
    assert found["broken"] == []


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ("duplicates", 4),
        ("duplicates>1", 4),
        ("duplicates>2", 0),
        ("duplicates > 4%", 4),
        ("duplicates>5%", 0),
        ("spellings,repeated-ids,unreadable-images", 0),
        ("spellings,missing-labels", 4),
    ],
)
def test_the_end_says_whether_a_rule_is_broken(films, rules, code):
    assert check(films, "--fail-on", rules).exit_code == code


def test_rows_that_are_dropped_count_as_left_out(films):
    found = checked(films, "--drop-bad", "--fail-on", "left-out>1,missing-labels", code=4)
    assert (found["left-out"]["count"], found["left-out"]["of"]) == (2, 46)
    assert found["broken"] == ["left-out"]


def test_words_for_people_say_which_rule_and_what_to_do(films):
    said = " ".join(check(films, "--fail-on", "missing-labels").stdout.split())
    assert "broken: missing-labels: 1 of 46: rows without a label (at most 0 may be)." in said
    assert "leave bad rows out (--drop-bad)" in said
    assert "wrong-labels: Not checked: it needs features, an encoder or probabilities." in said


def test_splits_of_json_lines_are_compared_and_their_groups(tmp_path):
    for split, start in (("train", 0), ("test", 18)):
        frame = pd.DataFrame({"n": range(start, start + 20)})
        frame["text"] = [f"sentence {n}" for n in frame["n"]]
        frame["label"] = ["no" if n % 2 else "yes" for n in frame["n"]]
        frame["who"] = [f"patient {n // 4}" for n in frame["n"]]
        frame.to_json(tmp_path / f"{split}.jsonl", orient="records", lines=True)
    both = (tmp_path / "train.jsonl", "--test", tmp_path / "test.jsonl", "--content", "text")
    found = checked(*both, "--group", "who", "--fail-on", "leakage>1,groups", code=4)
    assert (found["leakage"]["count"], found["leakage"]["of"]) == (2, 20)
    assert found["groups"]["count"] == 2
    assert found["broken"] == ["leakage", "groups"]
    # Without a column there are no groups to be compared, so the rule lets nothing through.
    assert check(*both, "--fail-on", "leakage>2").exit_code == 0
    unasked = check(*both, "--fail-on", "groups")
    assert unasked.exit_code == 1
    assert "no column of groups is named (--group)" in sentence(unasked)


def test_a_rule_that_looks_at_no_row_lets_nothing_through(films):
    answer = check(films, "--fail-on", "leakage")
    assert answer.exit_code == 1
    assert "leakage: Not checked: there is no split beside train." in sentence(answer)
    assert "holds" not in answer.stdout


@pytest.mark.parametrize("zipped", [False, True])
def test_pictures_of_a_folder_and_of_a_zip(tmp_path, zipped):
    import shutil

    for split, first in (("train", 0), ("test", 100)):
        for i in range(12):
            path = tmp_path / "tree" / split / ("day" if i % 2 else "night") / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(tiny.png(first + i))
    (tmp_path / "tree/test/day/1.png").write_bytes(tiny.png(3))
    (tmp_path / "tree/train/day/5.png").write_bytes(b"no picture")
    data = tmp_path / "tree"
    if zipped:
        data = shutil.make_archive(str(tmp_path / "packed"), "zip", data)
    found = checked(data, "--fail-on", "leakage,unreadable-images>1", code=4)
    assert found["leakage"]["count"] == found["unreadable-images"]["count"] == 1
    assert found["broken"] == ["leakage"]
    told = found["odd-pictures"]["unknown"]
    assert told is None if can_measure() else "pip install 'cleanvision" in told


def test_wrong_labels_outliers_and_order_are_found_by_features(rows, tmp_path):
    data, x, _ = rows
    x[7] = np.where(np.arange(12) % 2, 60.0, -60.0)  # a direction of its own
    np.save(tmp_path / "x.npy", x)
    features = ("--features", tmp_path / "x.npy")
    found = checked(data, *features, "--fail-on", "wrong-labels>2%,order", code=4)
    wrong = found["wrong-labels"]["findings"][0]["rows"]
    assert len({*wrong} & {*range(1, 25)}) >= 20
    assert len(wrong) <= 40
    assert 8 in found["outliers"]["findings"][0]["rows"]
    assert found["broken"] == ["wrong-labels"]
    # The same rows sorted by class stand in an order that says something.
    order = np.argsort(x[:, 0])
    pd.read_parquet(data).iloc[order].to_parquet(data)
    np.save(tmp_path / "x.npy", x[order])
    assert checked(data, *features, "--fail-on", "order", code=4)["broken"] == ["order"]


def test_wrong_labels_are_found_by_the_probabilities_of_a_model(rows, tmp_path):
    data, x, _ = rows
    p = 1 / (1 + np.exp(-(x.mean(1) - 2.0) * 3))
    np.save(tmp_path / "p.npy", np.stack([1 - p, p], 1))
    proba = ("--proba", f"train={tmp_path / 'p.npy'}")
    found = checked(data, *proba, "--out-of-sample", "--fail-on", "wrong-labels", code=4)
    assert {*found["wrong-labels"]["findings"][0]["rows"]} >= {*range(1, 25)}
    assert found["outliers"]["unknown"] == "it needs features or an encoder"
    refused = check(data, *proba)
    assert refused.exit_code == 1
    assert "--out-of-sample" in sentence(refused)


def test_an_encoder_of_this_machine_makes_the_features(tmp_path):
    spec = f"hf:{tiny.reader(tmp_path / 'bert')}"
    texts, labels = tiny.sentences(120)
    frame = pd.DataFrame({"text": [f"{t} {i}" for i, t in enumerate(texts)], "label": labels})
    frame["label"] = np.where(frame["label"] == 1, "good", "bad")
    frame.to_csv(tmp_path / "data.csv", index=False)
    found = checked(tmp_path / "data.csv", "--encoder", spec)
    assert found["outliers"]["unknown"] is None
    assert found["wrong-labels"]["count"] < 24


def test_of_a_model_that_knows_nothing_the_rule_cannot_be_checked(rows, tmp_path):
    data, x, _ = rows
    np.save(tmp_path / "x.npy", np.random.default_rng(1).normal(size=x.shape))
    answer = check(data, "--features", tmp_path / "x.npy", "--fail-on", "wrong-labels>50%")
    assert answer.exit_code == 1
    assert "it has learned nothing that could tell" in sentence(answer)


def test_a_rare_class_is_an_imbalance(tmp_path):
    labels = ["a", "b"] * 60 + ["c"] * 3
    frame = pd.DataFrame({"text": [f"t {i}" for i in range(123)], "label": labels})
    frame.to_excel(tmp_path / "rare.xlsx", index=False)
    found = checked(tmp_path / "rare.xlsx", "--fail-on", "imbalance>3,tiny-classes", code=4)
    assert found["imbalance"]["count"] == found["tiny-classes"]["count"] == 3
    assert found["broken"] == ["tiny-classes"]


@pytest.mark.parametrize("labels", [["a"] * 30, ["a", "b"] * 2])
def test_one_class_or_hardly_any_row_is_told_and_no_crash(tmp_path, labels):
    frame = pd.DataFrame({"text": [f"t {i}" for i in range(len(labels))], "label": labels})
    frame.to_csv(tmp_path / "few.csv", index=False)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(len(labels), 4)))
    found = checked(tmp_path / "few.csv", "--label", "label", "--features", tmp_path / "x.npy")
    assert found["too-few-classes"]["count"] == (labels[1] == "a")
    assert found["outliers"]["unknown"]


def test_texts_in_letters_that_the_encoder_does_not_know_break_a_rule(tmp_path):
    rows = [f"{text},{label}" for text, label in spoken("el", 40) if "," not in text]
    (tmp_path / "d.csv").write_text("\n".join(["text,label", *rows]), "utf-8")
    rules = checked(tmp_path / "d.csv", "--fail-on", "unread-texts", code=4)
    assert rules["broken"] == ["unread-texts"]
    (told,) = rules["unread-texts"]["findings"]
    assert "'minilm' hardly knows" in told["what"]
    assert "--encoder st:" in told["advice"]


def test_junit_has_a_case_for_each_rule_and_any_text_of_the_data(tmp_path):
    odd = "x\x1b[2J<&>\ufffe\u202e"
    lines = [f"text {i},{odd if i < 3 else 'ab'[i % 2]}" for i in range(40)]
    (tmp_path / "odd.csv").write_text("\n".join(["text,label", *lines]), "utf-8")
    where = tmp_path / "check.xml"
    answer = check(tmp_path / "odd.csv", "--fail-on", "tiny-classes,groups", "--junit", where)
    assert answer.exit_code == 4
    (suite,) = ET.parse(where).getroot()
    cases = {case.get("name"): case[0] for case in suite}
    assert list(cases) == list(RULES)
    assert cases["tiny-classes"].tag == "failure"
    assert "[2J<&>" in cases["tiny-classes"].text
    assert (cases["groups"].tag, cases["leakage"].tag) == ("error", "skipped")
    kinds = [case.tag for case in cases.values()]
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(name)) == kinds.count(tag) > 0


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("leekage", "There is no rule 'leekage'; there are left-out, missing-labels,"),
        ("duplicates>many", "'duplicates>many' is no rule; write a name"),
        ("duplicates<3", "'duplicates<3' is no rule"),
        ("outliers", "The rule 'outliers' needs features or an encoder"),
        ("wrong-labels>1%", "needs features, an encoder or probabilities"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused_before_anything_is_read(films, rules, said):
    answer = check(films.with_name("missing.csv"), "--fail-on", rules)
    assert answer.exit_code == 1
    assert said in sentence(answer)


def test_data_that_cannot_be_read_and_a_file_that_cannot_be_written_are_told(films, tmp_path):
    missing = check(tmp_path / "nothing.csv")
    assert missing.exit_code == 1
    assert "nothing.csv" in sentence(missing)
    both = check(films, "--encoder", "minilm", "--features", "x.npy")
    assert "leave --encoder out" in sentence(both)
    kept = check(films, "--junit", films / "check.xml")
    assert kept.exit_code == 1
    assert "Cannot write" in sentence(kept)
    unknown = check(films, "--encoder", "nothing:here")
    assert "There is no encoder" in sentence(unknown)


def test_limits_are_read_as_written():
    assert read_rules("") == {}
    assert read_rules("leakage, duplicates>10,wrong-labels>2.5%") == {
        "leakage": Limit(), "duplicates": Limit(10), "wrong-labels": Limit(2.5, True)
    }  # fmt: skip
    with pytest.raises(DataError, match="is no rule"):
        read_rules("leakage>-1")


def test_data_is_read_by_the_options_of_new():
    assert options_of("check") - options_of("new") == {"--fail-on", "--junit"}
    assert options_of("new") - options_of("check") == {
        "--name", "--valid-share", "--test-share", "--train", "--then", "--training", "--preview"
    }  # fmt: skip
    assert len(fields(ReadOptions)) > 20


def test_each_finding_names_a_rule_and_each_rule_stands_in_the_documents():
    source = [p.read_text("utf-8") for p in (ROOT / "influence_core").rglob("*.py")]
    named = set(re.findall(r'_?[Ff]inding\(\s*"([a-z-]+)"', "\n".join(source)))
    assert named == {*RULES} - {"left-out"}
    page = (ROOT / "docs" / "ci-gate.md").read_text("utf-8")
    assert {*re.findall(r"`([a-z-]+)`", page)} >= {*RULES}
