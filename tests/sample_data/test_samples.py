"""The shipped samples are what their README says, and the figures on them hold."""

import numpy as np
import pytest
from safetensors import safe_open
from scipy.spatial import cKDTree
from sklearn.metrics import average_precision_score, roc_auc_score

from influence_core.influence import DEFAULT_ESTIMATOR
from influence_core.installed import sample_root
from influence_core.models.encoders import load_encoder
from influence_core.store.evaluations import read_evaluation
from influence_core.store.project import Project
from influence_core.workflow.evaluate.agreement import agreements, items
from influence_core.workflow.evaluate.default import FEWEST
from influence_core.workflow.evaluate.work import EvaluateOptions, choose_targets
from influence_core.workflow.explain.items import predictions
from influence_core.workflow.explain.map import read_map
from influence_core.workflow.session import open_session
from influence_core.workflow.train.curves import learning_curves

ROOT = sample_root()
LIMIT = 25_500_000


@pytest.fixture(scope="module", params=["fashion", "reviews"])
def project(request):
    return Project.open(ROOT / request.param)


def head_run(project):
    return next(project.run(r.id) for r in project.runs() if r.kind == "head")


def test_all_of_it_stays_small():
    assert sum(p.stat().st_size for p in ROOT.rglob("*") if p.is_file()) <= LIMIT


def test_rows_are_those_of_the_readme(project):
    sizes = {split.name: len(split) for split in project.dataset}
    expected = {
        "fashion": {"train": 4000, "valid": 1000, "test": 1000},
        "reviews": {
            "train": 6000, "valid": 500, "test": 2000,
            "electronics_valid": 1492, "electronics_test": 1493,
        },
    }  # fmt: skip
    assert sizes == expected[project.root.name]


def test_each_opens_with_a_trained_run_of_sixteen_twins(project):
    config = head_run(project).record.config["head"]
    assert (config["members"], config["width"], config["p"]) == (16, 256, 0.5)
    open_session(project, head_run(project).id)


def test_every_run_has_its_map_of_all_training_rows(project):
    for record in project.runs():
        places = read_map(project, record.encoder_fingerprint)
        assert places["position"].tolist() == list(range(len(project.dataset.train)))
        # Rows of one class lie together: the nearest on the map carry it more often than by chance.
        labels = project.dataset.train.labels
        _, near = cKDTree(places[["x", "y"]].to_numpy()).query(places[["x", "y"]].to_numpy(), 6)
        same = (labels[near[:, 1:]] == labels[:, None]).mean()
        assert same > ((np.bincount(labels) / len(labels)) ** 2).sum() + 0.03


def test_each_ships_the_evaluation_of_its_head_on_enough_items_to_tell(project):
    run, found = head_run(project), read_evaluation(project.root)
    assert found.run == run.id
    assert "too few" not in found.reason
    assert set(found.checks) == {"null", "isolation", "smoothness"}
    assert found.checks["isolation"].passed
    # The items are those that the same options choose on these very predictions today.
    options = EvaluateOptions()
    _, wrong, keys = choose_targets(open_session(project, run.id, "cpu"), options)
    each = run.table("eval-lds").query("estimator == @DEFAULT_ESTIMATOR")
    assert each["key"].tolist() == keys.tolist()
    assert (each["kind"] == "misclassified").sum() == wrong == options.targets
    assert items(run) == 2 * options.targets >= FEWEST
    # Nothing was chosen for the user, and the default is worth something.
    assert project.settings.default_estimator == ""
    agreement = agreements(run)[DEFAULT_ESTIMATOR]
    assert agreement.mean - agreement.half > 0.5
    assert not (run.folder / "retrainings").exists()


def test_no_path_of_the_machine_that_built_it_is_left(project):
    text = "".join(p.read_text() for p in project.root.rglob("*.json"))
    assert "/tmp" not in text
    assert "/home" not in text


def test_splits_share_no_content(project):
    seen = [set(split.content_hashes.tolist()) for split in project.dataset]
    train = seen[0]
    # A few one-line reviews really were written twice.
    assert all(len(train & other) <= 5 for other in seen[1:])


def test_fashion_noise_is_five_per_cent_half_of_it_confused():
    train = Project.open(ROOT / "fashion").dataset.train
    classes = np.array(Project.open(ROOT / "fashion").dataset.classes)
    wrong = classes[train.labels] != train.extra("gold")
    assert np.array_equal(wrong, train.extra("planted"))
    assert wrong.sum() == 200


def test_fashion_encoder_is_at_least_ninety_per_cent_accurate():
    project = Project.open(ROOT / "fashion")
    with safe_open(project.root / "trunk.safetensors", framework="pt") as file:
        assert float(file.metadata()["test_accuracy"]) >= 0.90
    table = predictions(open_session(project, head_run(project).id), "test")
    assert (table["label"] == table["predicted"]).mean() > 0.88


def test_shipped_features_are_those_of_the_shipped_encoder():
    project = Project.open(ROOT / "fashion")
    encoder = load_encoder(project.settings.encoder, root=project.root)
    assert encoder.fingerprint == project.settings.encoder_fingerprint
    test = project.dataset.split("test")
    fresh = encoder.encode(test.items(np.arange(20)))
    np.testing.assert_allclose(fresh, project.features("test")[:20], atol=0.02, rtol=2e-3)


def test_flipped_confidence_finds_planted_labels(capsys):
    project = Project.open(ROOT / "fashion")
    rows = head_run(project).table("rows")
    planted = project.dataset.train.extra("planted").astype(bool)
    flipped = average_precision_score(planted, -rows["flipped_label"])
    inside = average_precision_score(planted, -rows["learned_label"])
    first = planted[np.argsort(rows["flipped_label"].to_numpy())[:400]].sum() / planted.sum()
    with capsys.disabled():
        print(
            f"\nfashion, planted labels: AP {flipped:.3f} by flipped-side confidence, "
            f"{inside:.3f} in-sample; {first:.1%} of them in the first 10 % of the queue"
        )
    assert flipped >= 0.80
    assert first >= 0.90


def test_rater_noise_is_measured_beside_in_sample_confidence(capsys):
    project = Project.open(ROOT / "reviews")
    rows = head_run(project).table("rows")
    train = project.dataset.train
    wrong = np.array(project.dataset.classes)[train.labels] != train.extra("gold")
    figures = {
        name: roc_auc_score(wrong, -rows[column])
        for name, column in (("flipped side", "flipped_label"), ("in-sample", "learned_label"))
    }
    with capsys.disabled():
        told = ", ".join(f"{name} {auc:.3f}" for name, auc in figures.items())
        print(f"\nreviews, rater noise ({wrong.mean():.1%} of rows), AUC: {told}")
    assert 0.03 < wrong.mean() < 0.06
    assert figures["flipped side"] > 0.75


def test_fashion_ships_a_whole_network_that_the_head_run_precedes():
    project = Project.open(ROOT / "fashion")
    first, *others = project.runs()
    assert first.kind == "head"  # the app opens it
    whole = next(record for record in others if record.kind == "network")
    assert whole.isolation.isolated == 1.0
    table = predictions(open_session(project, whole.id), "test")
    assert (table["label"] == table["predicted"]).mean() > 0.75
    last = learning_curves(project.run(whole.id)).iloc[-1]
    # The paper's figure of memorisation: the side that saw a row parts from the one that did not.
    assert last["learned"] < 0.3
    assert last["flipped"] > 1.0
