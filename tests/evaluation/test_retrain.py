import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from resuming import counted
from toy_rows import CONFIG, TRAINING, clouds

from influence_core.disk.checkpoint import Parts
from influence_core.errors import CancelledError, ModelError
from influence_core.evaluation import retrain as module
from influence_core.evaluation.retrain import label_losses, random_halves, retrain, without
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining
from influence_core.turnover.head import TurnoverHead


def halves(count=5):
    rows, _, x, _ = clouds()
    return replace(rows, weights=random_halves(len(rows.labels), count)), x


def test_groups_equal_heads_that_never_had_the_other_rows():
    """Also the oracle of `retrain`: one plain fit a group, one plain forward a member."""
    rows, x = halves(3)
    out = retrain(rows, CONFIG, TRAINING, x)
    for group in range(3):
        alone = replace(rows, weights=rows.weights[:, group : group + 1].float())
        fit = fit_heads(alone, CONFIG, TRAINING)
        head = TurnoverHead(CONFIG)
        head.load_state_dict({"W1": fit.W1, "b1": fit.b1, "W2": fit.W2})
        expected = head(x).log_softmax(-1).detach().numpy()
        assert np.allclose(out[group], expected, atol=1e-5)


def test_chunks_do_not_change_the_results(monkeypatch):
    rows, x = halves()
    whole = retrain(rows, CONFIG, TRAINING, x)
    monkeypatch.setattr(module, "CHUNK_BYTES", 1)
    assert np.allclose(retrain(rows, CONFIG, TRAINING, x), whole, atol=1e-5)


def test_stopped_retrainings_go_on_where_they_were(monkeypatch, tmp_path):
    rows, x = halves()
    monkeypatch.setattr(module, "CHUNK_BYTES", 1)  # one group a chunk
    parts, stop, seen = Parts(tmp_path / "deep" / "lds", "me"), threading.Event(), []

    def stop_after_two(event):
        if event.done >= 2:
            stop.set()

    with pytest.raises(CancelledError):
        retrain(rows, CONFIG, TRAINING, x, parts=parts, progress=stop_after_two, cancel=stop)
    assert len(list(parts.stem.parent.iterdir())) == 2
    trained = counted(monkeypatch, module, "fit_heads")
    out = retrain(rows, CONFIG, TRAINING, x, parts=parts, progress=seen.append)
    assert len(trained) == 3
    assert [event.done for event in seen][:2] == [1, 2]
    trained.clear()
    assert np.array_equal(retrain(rows, CONFIG, TRAINING, x, parts=parts), out)
    assert not trained
    assert np.array_equal(out, retrain(rows, CONFIG, TRAINING, x))


def other_labels(rows, x):
    return replace(rows, labels=(rows.labels + 1) % 3), x


def other_features(rows, x):
    return replace(rows, features=clouds(seed=1)[0].features), x


def other_targets(rows, x):
    return rows, x + 1


def other_weights(rows, x):
    return replace(rows, weights=~rows.weights), x


@pytest.mark.parametrize("other", [other_labels, other_features, other_targets, other_weights])
def test_kept_results_of_other_work_are_not_used(tmp_path, other):
    rows, x = halves(2)
    parts = Parts(tmp_path / "lds", "me")
    retrain(rows, CONFIG, TRAINING, x, parts=parts)
    rows, x = other(rows, x)
    found = retrain(rows, CONFIG, TRAINING, x, parts=parts)
    assert np.array_equal(found, retrain(rows, CONFIG, TRAINING, x))


def test_a_turned_bit_of_a_kept_result_is_not_believed(tmp_path):
    rows, x = halves(2)
    parts = Parts(tmp_path / "lds", "me")
    first = retrain(rows, CONFIG, TRAINING, x, parts=parts)
    for path in tmp_path.iterdir():
        data = bytearray(path.read_bytes())
        data[-2] ^= 64  # in the exponent of a probability
        path.write_bytes(data)
    assert np.array_equal(retrain(rows, CONFIG, TRAINING, x, parts=parts), first)


def test_a_place_that_cannot_be_written_costs_the_resume_only(tmp_path):
    rows, x = halves(2)
    (tmp_path / "file").write_text("")
    parts = Parts(tmp_path / "file" / "lds", "me")
    found = retrain(rows, CONFIG, TRAINING, x, parts=parts)
    assert np.array_equal(found, retrain(rows, CONFIG, TRAINING, x))


def test_an_open_number_of_epochs_is_refused():
    rows, x = halves(2)
    with pytest.raises(ModelError, match="epochs"):
        retrain(rows, CONFIG, HeadTraining(), x)


def test_random_halves_hold_half_of_the_rows_and_differ():
    weights = random_halves(101, 20, seed=3)
    assert (weights.sum(0) == 50).all()
    assert len({tuple(column.tolist()) for column in weights.T}) == 20


def test_without_leaves_out_exactly_the_listed_rows():
    weights = without(5, [np.array([0, 3]), np.array([], dtype=np.int64)])
    assert weights.T.tolist() == [[False, True, True, False, True], [True] * 5]


def test_label_losses_are_the_mean_cross_entropy_over_members():
    logits = torch.randn(2, 3, 4, 5)
    labels = torch.tensor([0, 4, 2, 2])
    out = label_losses(logits.log_softmax(-1).numpy(), labels.numpy())
    for g in range(2):
        each = [
            torch.nn.functional.cross_entropy(logits[g, e], labels, reduction="none")
            for e in range(3)
        ]
        assert np.allclose(out[g], torch.stack(each).mean(0).numpy(), atol=1e-6)
