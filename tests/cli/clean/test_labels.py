import csv
import json

import pytest
from tiny import project, sentences
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.data.build import build_dataset
from influence_core.labels.scores import COLUMNS
from influence_core.store.exports.csv_fields import is_formula
from influence_core.store.project import Project
from influence_core.store.reviews.store import open_reviews
from influence_core.workflow.train.head import TrainOptions, train

run = CliRunner().invoke


@pytest.fixture
def bare(tmp_path):
    """A project without a run."""
    return project(tmp_path / "home" / "tiny", n=90)


@pytest.fixture
def made(bare):
    train(bare, TrainOptions(members=2, width=32, epochs=3))
    return type(bare).open(bare.root)


def events(project):
    store = open_reviews(project)
    found = store.events()
    store.close()
    return found


def test_the_queue_as_table_as_json_and_as_csv_says_the_same(made, tmp_path):
    told = json.loads(run(app, ["labels", "tiny", "--json"]).stdout)
    assert told["rows"] == len(told["queue"]) == 90
    assert [row["suspicion_rank"] for row in told["queue"]] == list(range(90))
    assert set(told["queue"][0]) == set(told["columns"]) == {*COLUMNS, "id"}
    path = tmp_path / "labels.csv"
    out = run(app, ["labels", "tiny", "--top", "7", "--out", str(path)])
    assert out.exit_code == 0, out.output
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["key"] for line in lines] == [row["key"] for row in told["queue"][:7]]
    assert {line["given"] for line in lines} <= {"bad", "good"}
    assert "labels are flagged" in run(app, ["labels", "tiny", "--top", "3"]).stdout


@pytest.fixture
def twins(tmp_path):
    """A project with a row that stands in train twice, and one that test holds as well."""
    texts, labels = sentences(40)
    both = {"text": [*texts, texts[3]], "label": [*labels, 1 - labels[3]]}
    both["id"] = [f"row-{i}" for i in range(41)]
    held = {"text": [texts[8], "seen by nobody"], "label": [labels[8], 1], "id": ["a", "b"]}
    dataset = build_dataset({"train": both, "test": held}, ["bad", "good"])
    made = Project.create(tmp_path / "home" / "twins", "Twins", dataset, "minilm")
    train(made, TrainOptions(members=2, width=32, epochs=1))
    return Project.open(made.root)


def test_duplicates_are_listed_as_sets_with_what_stays(twins, tmp_path):
    told = json.loads(run(app, ["labels", "twins", "--duplicates", "--json"]).stdout)
    first, second = told["sets"]
    assert (told["total"], first["kind"], first["labels_differ"]) == (2, "exact", True)
    assert [row["id"] for row in first["rows"]] == ["row-3", "row-40"]
    assert {row["label"] for row in first["rows"]} == {"bad", "good"}
    assert sum(row["stays"] for row in first["rows"]) == 1
    assert second["across_splits"]
    assert [(r["split"], r["stays"]) for r in second["rows"]] == [("train", False), ("test", True)]
    shown = run(app, ["labels", "twins", "--duplicates"])
    assert shown.exit_code == 0, shown.output
    assert "2 sets of copies" in shown.stdout
    assert "row-40" in shown.stdout
    only = json.loads(run(app, ["labels", "twins", "--duplicates", "--top", "1", "--json"]).stdout)
    assert only["sets"] == [first]
    assert events(twins) == []


def test_one_flag_leaves_one_of_each_set_in_one_step(twins):
    asked = ["labels", "twins", "--duplicates", "--exact", "--keep-one", "--reviewer", "ann"]
    told = json.loads(run(app, [*asked, "--json"]).stdout)
    assert told["written"] == 2
    made = events(twins)
    assert {(e.reviewer, e.decision.verdict) for e in made} == {("ann", "exclude")}
    assert len({e.action for e in made}) == 1
    train = twins.dataset.train
    gone = {train.ids[train.position(e.decision.key)] for e in made}
    assert "row-8" in gone
    assert len(gone & {"row-3", "row-40"}) == 1
    again = run(app, asked)
    assert "0 decisions written" in again.stdout
    assert events(twins) == made


def test_one_flag_moves_what_leaks_to_train_and_the_export_leaves_it_out(twins, tmp_path):
    asked = ["labels", "twins", "--duplicates", "--move-to-train", "--reviewer", "ann"]
    told = json.loads(run(app, [*asked, "--json"]).stdout)
    assert told["moved"] == 1 and "written" not in told
    second = told["sets"][1]
    assert second["settled"] and second["across_splits"]
    assert [(r["split"], r["stays"], r["decision"]) for r in second["rows"]] == [
        ("train", True, ""), ("test", False, "exclude"),
    ]  # fmt: skip
    assert events(twins) == []  # of the training rows
    again = run(app, [*asked, "--keep-one"])
    assert "0 rows moved to train. Move back, on Labels" in again.stdout
    assert "1 decision written" in again.stdout
    out = tmp_path / "test.csv"
    done = run(
        app,
        ["export", "twins", "--out", str(out), "--split", "test", "--decisions", "--from-project"],
    )
    assert done.exit_code == 0, done.output
    with out.open(newline="") as file:
        assert [line["id"] for line in csv.DictReader(file)] == ["b"]


def test_the_file_of_the_sets_is_one_of_decisions(twins, tmp_path):
    path = tmp_path / "copies.csv"
    out = run(app, ["labels", "twins", "--duplicates", "--out", str(path)])
    assert "4 lines in" in out.stdout, out.output
    assert "2 decisions written" in run(app, ["decide", "twins", str(path)]).stdout
    told = json.loads(run(app, ["labels", "twins", "--duplicates", "--json"]).stdout)
    assert [one["settled"] for one in told["sets"]] == [True, True]


@pytest.mark.parametrize("flag", ["--keep-one", "--exact", "--move-to-train"])
def test_flags_of_sets_need_the_sets(made, flag):
    out = run(app, ["labels", "tiny", flag])
    assert out.exit_code == 1
    assert "give --duplicates, too" in out.stderr


def test_labels_of_a_project_without_a_run_are_refused_with_the_remedy(bare):
    out = run(app, ["labels", "tiny"])
    assert out.exit_code == 1
    assert "turnover train" in out.stderr


def test_decisions_are_written_without_a_run_and_come_out_again(bare, tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("id,verdict\ntrain-0,keep\ntrain-1,exclude\n")
    out = run(app, ["decide", "tiny", str(path), "--reviewer", "ann"])
    assert out.exit_code == 0, out.output
    assert "2 decisions written" in out.stdout
    assert (
        "2 were there already"
        in run(app, ["decide", "tiny", str(path), "--reviewer", "ann"]).stdout
    )
    back = tmp_path / "back.jsonl"
    out = run(app, ["decisions", "tiny", "--out", str(back), "--format", "jsonl", "--json"])
    assert json.loads(out.stdout)["rows"] == 2
    assert {json.loads(line)["reviewer"] for line in back.read_text().splitlines()} == {"ann"}


def test_one_bad_line_keeps_the_whole_file_out_unless_it_is_skipped(made, tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("id,verdict\ntrain-0,keep\nnobody,keep\n")
    out = run(app, ["decide", "tiny", str(path)])
    assert out.exit_code == 1
    assert "line 3: no training row has the id 'nobody'" in out.stderr
    assert events(made) == []
    out = run(app, ["decide", "tiny", str(path), "--skip-bad", "--json"])
    assert out.exit_code == 0
    told = json.loads(out.stdout)
    assert (told["written"], len(told["problems"])) == (1, 1)
    (event,) = events(made)
    assert event.run == made.latest_run().id
    assert event.reviewer == "local"


def test_undecided_rows_go_to_label_studio_with_suggestions(made, tmp_path):
    path = tmp_path / "tasks.json"
    arguments = ["decisions", "tiny", "--out", str(path), "--format", "label-studio"]
    out = run(app, [*arguments, "--undecided", "5"])
    assert out.exit_code == 0, out.output
    tasks = json.loads(path.read_text("utf-8"))
    queue = json.loads(run(app, ["labels", "tiny", "--top", "5", "--json"]).stdout)["queue"]
    assert [task["data"]["key"] for task in tasks] == [row["key"] for row in queue]
    assert tasks[0]["predictions"][0]["result"][0]["value"]["choices"] == [queue[0]["suggested"]]


def test_without_a_file_it_says_how_far_the_reviewers_are(made, tmp_path):
    path = tmp_path / "d.csv"
    lines = [f"train-{i},{'exclude' if i % 3 == 0 else 'keep'},{who}" for i in range(30)
             for who in ("ann", "bob")]  # fmt: skip
    path.write_text("id,verdict,reviewer\n" + "\n".join(lines) + "\n")
    run(app, ["decide", "tiny", str(path)])
    told = json.loads(run(app, ["decisions", "tiny", "--json"]).stdout)
    assert (told["decided"], told["wrong"]) == (30, 10)
    assert told["agreement"] == [
        {"first": "ann", "second": "bob", "rows": 30, "same": 1.0, "kappa": 1.0}
    ]
    low, high = told["left_interval"]
    assert low <= told["left"] <= high <= 60
    shown = " ".join(run(app, ["decisions", "tiny"]).stdout.split())
    assert told["advice"] in shown


@pytest.mark.parametrize(
    "arguments", [["labels"], ["decide", "tiny"], ["labels", "x", "--top", "0"]]
)
def test_wrong_usage_ends_with_two(arguments):
    assert run(app, arguments).exit_code == 2


@pytest.fixture(scope="module")
def formulas(tmp_path_factory):
    """Ids, classes, notes and a reviewer that a spreadsheet would run; some look escaped."""
    texts, labels = sentences(60)
    signs = ["=1+1", "@SUM(A1)", "+A1", "-A1+2", "\tx", "＝A1", "'=1", "''=1", "'plain", "-1.5"]
    columns = {"text": [*texts, texts[3]], "label": [*labels, 1 - labels[3]]}
    columns["id"] = [f"{signs[i % len(signs)]}{i}" for i in range(61)]
    built = build_dataset({"train": columns, "valid": columns}, ["=cmd|' /C calc'!A0", "'@good"])
    made = Project.create(tmp_path_factory.mktemp("home") / "formulas", "F", built, "minilm")
    train(made, TrainOptions(members=2, width=32, epochs=1))
    split = Project.open(made.root).dataset.train
    said = [
        {"key": f"{int(key):016x}", "verdict": "relabel", "note": f"{name}; a 'note'",
         "new_label": built.classes[1 - label], "reviewer": "=ann"}
        for key, name, label in zip(split.keys, split.ids, split.labels, strict=True)
    ]  # fmt: skip
    path = made.root.parent / "said.jsonl"
    path.write_text("\n".join(map(json.dumps, said)))
    assert run(app, ["decide", str(made.root), str(path), "--format", "jsonl"]).exit_code == 0
    return made


def cells(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [cell for line in csv.reader(file) for cell in line]


@pytest.mark.parametrize("verb", [["labels"], ["labels", "--duplicates"], ["decisions"]])
def test_no_spreadsheet_runs_what_a_file_for_people_says(formulas, tmp_path, verb):
    path, safe = tmp_path / "as-it-is.csv", tmp_path / "safe.csv"
    start = [verb[0], str(formulas.root), *verb[1:], "--out"]
    assert run(app, [*start, str(path)]).exit_code == 0
    out = run(app, [*start, str(safe), "--spreadsheet-safe"])
    assert out.exit_code == 0, out.output
    assert any(map(is_formula, cells(path)))
    assert not any(map(is_formula, cells(safe)))
    assert len(cells(safe)) == len(cells(path))


@pytest.mark.parametrize("option", [[], ["--spreadsheet-safe"]])
def test_decisions_come_back_as_they_were_whether_escaped_or_not(formulas, tmp_path, option):
    path = tmp_path / "d.csv"
    assert run(app, ["decisions", str(formulas.root), "--out", str(path), *option]).exit_code == 0
    out = run(app, ["decide", str(formulas.root), str(path)])
    assert "61 were there already" in out.stdout, out.output


def test_only_a_csv_can_be_made_safe_for_spreadsheets(formulas, tmp_path):
    path = tmp_path / "d.jsonl"
    start = ["decisions", str(formulas.root), "--out", str(path), "--format", "jsonl"]
    out = run(app, [*start, "--spreadsheet-safe"])
    assert out.exit_code == 1
    assert "Only a CSV" in out.stderr
    assert not path.exists()
