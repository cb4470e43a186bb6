"""Everything that an earlier version of this program stored is opened by this one.

`tests/fixtures/formats/v1` was written by the program as it was before stored things had versions
of their own: a whole project with a head, a network, decisions, a cleansing with trials, an
evaluation, an export and a job; and the records of the samples that were shipped with it. When a
format changes, its former self is added there, and nothing there is ever rewritten.
"""

import json
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from influence_core.data.checks.copies import copy_sets
from influence_core.disk.formats import UPGRADES, current
from influence_core.errors import StoreError
from influence_core.jobs.control import jobs
from influence_core.store.evaluations import read_evaluation
from influence_core.store.exports.manifest import Manifest
from influence_core.store.exports.revert import revert
from influence_core.store.project import Project
from influence_core.store.reviews.state import ReviewState
from influence_core.store.reviews.store import open_reviews
from influence_core.store.runs import RunRecord
from influence_core.store.settings import ProjectSettings
from influence_core.store.slices import saved_slices
from influence_core.store.tables import read_header
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining
from influence_core.workflow.cleanse.cleansings import load_cleansing
from influence_core.workflow.cleanse.trials import kept_sweep, kept_trial
from influence_core.workflow.evaluate.work import recipe
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item
from influence_core.workflow.explain.map import read_map
from influence_core.workflow.explain.proof.verify import Question, kept_verified
from influence_core.workflow.explain.proof.verify_cause import kept_causes, question_of
from influence_core.workflow.projects.account import account_of
from influence_core.workflow.projects.overview import overview
from influence_core.workflow.review.copies import all_copies
from influence_core.workflow.review.scores import label_table
from influence_core.workflow.session import open_session
from influence_core.workflow.slices.grammar import slice_of

FORMATS = Path(__file__).parents[1] / "fixtures" / "formats"
HEAD, NETWORK = "20261128-202410-7f5bfa", "20261128-202534-87da8b"
# Where an example of each format lies below `v<number>`.
EXAMPLES = {
    "project": "*/project.toml",
    "run": "*/runs/*/run.json",
    "features": "*/features/*/train.json",
    "dataset": "*/data/dataset.json",
    "encoders": "*/encoders.json",
    "evaluation": "*/evaluation.json",
    "cleansing": "*/cleansings/*.json",
    "trial": "*/cleansings/*/trial-*.json",
    "sweep": "*/cleansings/*/sweep.json",
    "export": "*/exports/*.manifest.json",
    "scores": "*/exports/scores.json",
    "map": "*/features/*/map.parquet",
    "job": "*/jobs/*/job.json",
    "verified": "*/verified/*.json",
    "verified-cause": "*/verified/*-cause-*.json",
    "score": "*/score.json",
    "slice": "*/slices/*.json",
    "copies": "*/copies.json",
}


@pytest.fixture
def films(tmp_path):
    shutil.copytree(FORMATS / "v1" / "films", tmp_path / "films")
    return Project.open(tmp_path / "films")


@pytest.mark.parametrize("kind", UPGRADES)
def test_every_earlier_version_has_an_example_for_ever(kind):
    for version in range(1, max(current(kind), 2)):
        assert list((FORMATS / f"v{version}").glob(EXAMPLES[kind])), (kind, version)


def test_a_head_of_before_is_retrained_as_it_was_trained(films):
    """Its Adam had eps 1e-8; with today's, the weights would be others."""
    session = open_session(films, HEAD)
    made = recipe(session)
    assert made.training == session.evidence.training == session.training

    def apart(training):
        again = fit_heads(made.rows, made.config, training)
        return float((again.W1 - session.evidence.head.W1).abs().max())

    assert apart(made.training) < 3e-4 < apart(replace(made.training, eps=HeadTraining().eps))


def test_settings_data_and_runs(films):
    assert (films.settings.encoder, films.settings.target_split) == ("minilm", "valid")
    assert films.dataset.fingerprint == films.fingerprint
    assert [record.id for record in films.runs()] == [NETWORK, HEAD]
    assert films.damaged_runs() == {}
    assert films.run(NETWORK).record.trained == "hf:encoder"
    assert [record.isolation.rows for record in films.runs()] == [4, 4]
    assert overview(films.root).runs == 2


def test_what_earlier_versions_left_out_is_in_the_account():
    old, header = (read_header(FORMATS / v / "films" / "data") for v in ("v1", "v3"))
    assert account_of(old.source, old.splits).read == 150
    account = account_of(header.source, header.splits)
    assert (account.read, sum(account.kept.values())) == (153, 150)
    assert [out.count for out in account.left_out] == [3]


@pytest.mark.parametrize("run", [HEAD, NETWORK])
def test_runs_explain(films, run):
    session = open_session(films, run, "cpu")
    key = int(films.dataset.split("test").keys[0])
    answer = explain(session, find_item(session, "test", key), ExplainOptions("flipped-ridge"))
    assert np.isfinite(answer.helpful["influence"]).all()
    assert len(label_table(session)) == 105
    if run == NETWORK:
        assert session.network().encode(["a dull film"]).shape == (1, 32)


def test_evaluation_and_map(films):
    found = read_evaluation(films.root)
    assert found.run == HEAD
    assert all(check.passed and check.text for check in found.checks.values())
    assert len(read_map(films, films.run(HEAD).record.encoder_fingerprint)) == 105


def test_a_cause_that_was_verified(films):
    items, rows = films.dataset.split("test").keys[:3], films.dataset.train.keys[:4]
    (found,) = kept_causes(films, HEAD, question_of("test", items.tolist(), rows.tolist()))
    assert (found.question.fix, found.changed_rows, found.helps) == ("bad", 4, True)
    assert "20 % (+50.0 points, 95 % interval +30.0 to +70.0)" in found.sentence()


def test_a_slice_that_was_saved(films):
    [kept] = saved_slices(films.root)
    held = slice_of(films, "test", "slice:dull films")
    assert held is not None
    assert tuple(sorted(films.dataset.split("test").keys[held].tolist())) == kept.keys
    assert len(kept.keys) == 5


def test_sets_of_copies_are_found_again_since_crops_are_looked_for(films):
    before = json.loads((films.root / "copies.json").read_text())
    assert before["fingerprint"] == films.fingerprint
    assert before["sets"]
    assert all_copies(films) == copy_sets(films.dataset) == []
    after = json.loads((films.root / "copies.json").read_text())
    assert after == {"version": 2, "fingerprint": films.fingerprint, "sets": []}


def test_what_was_verified(films):
    key = int(films.dataset.split("test").keys[0])
    found = kept_verified(films, HEAD, key, [Question("flipped-ridge")])
    assert len(found.keys) == 5
    assert set(found.keys) <= set(films.dataset.train.keys.tolist())
    assert found.sentence
    assert set(found.table["class"]) == set(films.dataset.classes)


def test_decisions(films):
    with closing(open_reviews(films)) as store:
        state = ReviewState()
        assert state.catch_up(store)
    keys = [int(key) for key in films.dataset.train.keys[:4]]
    found = state.all_effective()
    assert [found[key].outcome for key in keys] == ["keep", "exclude", "unsure", "relabel"]
    assert found[keys[0]].reviewers == 2


def test_a_cleansing_with_its_trials(films):
    found = load_cleansing(films)
    assert (found.target.split, found.target.part, found.run) == ("valid", "all", HEAD)
    assert [edit.action for edit in found.decided] == ["remove", "relabel"]
    assert len(found.kept) == 1
    assert all(np.isfinite(edit.score) for edit in found.computed)
    trial = kept_trial(films, "20261128-202834-3fb557")
    assert set(trial.verdicts) == {"valid", "test"}
    assert set(kept_sweep(films, "20261128-202834-3fb557")["share"]) == {0.05, 0.1}


def test_an_export_is_reverted(films, tmp_path):
    path = films.root / "exports" / "clean.csv.manifest.json"
    assert Manifest.read(path).counts == {"remove": 6, "relabel": 1, "rows": 144}
    revert(path, tmp_path / "back.csv")
    assert (tmp_path / "back.csv").read_bytes() == (films.root / "source/train.csv").read_bytes()


def test_jobs(films):
    (job,) = jobs(films.root)
    assert (job.title, job.who, job.state, job.arguments[0]) == ("Encode", "ann", "done", "encode")


def test_what_is_written_from_now_on_has_the_version_of_now(films):
    films.with_settings(name="Other")
    text = (films.root / "project.toml").read_text()
    assert f"version = {current('project')}" in text
    assert "trunk" not in text
    assert (
        Project.open(films.root).settings.encoder_fingerprint == films.settings.encoder_fingerprint
    )


def test_the_records_of_shipped_samples(tmp_path):
    header = read_header(FORMATS / "v2" / "films" / "data")
    assert {file.quoting for file in header.source.files.values()} == {"double"}
    shipped = FORMATS / "v1" / "shipped"
    for path in sorted(shipped.glob(EXAMPLES["run"])):
        record = RunRecord.read(path)
        assert record.encoder_fingerprint
        assert record.isolation.isolated == 1.0
        assert set(json.loads(path.read_bytes())["metrics"]) == set(record.metrics)
    for path in sorted(shipped.glob("*/project.toml")):
        assert ProjectSettings.read(path).encoder
        assert read_header(path.parent / "data").splits["train"] > 1000


@pytest.mark.parametrize(
    "name",
    ["project.toml", f"runs/{HEAD}/run.json", "evaluation.json", "data/dataset.json",
     "cleansings/20261128-202834-3fb557.json", "exports/clean.csv.manifest.json"],
)  # fmt: skip
def test_what_a_later_program_wrote_is_refused_in_one_sentence(films, name):
    path = films.root / name
    if path.suffix == ".toml":
        path.write_text(path.read_text().replace("version = 1", "version = 99"))
    else:
        path.write_text(json.dumps(json.loads(path.read_bytes()) | {"version": 99}))
    readers = [
        lambda: Project.open(films.root).dataset,
        lambda: films.run(HEAD),
        lambda: read_evaluation(films.root),
        lambda: load_cleansing(films),
        lambda: revert(path, films.root / "back.csv"),
    ]
    said = []
    for reader in readers:
        try:
            reader()
        except StoreError as error:
            said.append(str(error))
    assert any(f"{path} has version 99" in line and "update the program" in line for line in said)
