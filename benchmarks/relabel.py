"""How much of what wrong labels cost comes back when reviewers follow the suggestions.

    python -m benchmarks.relabel

On *fashion*: labels as shipped (a twentieth is planted wrong) and with more flipped on top; a
turn-over run on them; every row whose flipped side predicts another class gets that class, as a
reviewer would who follows all suggestions; then the same once more on the mended labels. Heads are
retrained from the same starts on the true, the given and the relabelled labels, and without the
rows that were relabelled first. Writes benchmarks/relabel.json.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from influence_core.evaluation.planted import flip_labels
from influence_core.evaluation.retrain import retrain
from influence_core.influence.base import HeadWeights
from influence_core.influence.sides import both_sides
from influence_core.store.project import Project
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.workflow.session import Session, open_session

HERE = Path(__file__).parent
SAMPLE = HERE.parent / "sample_data" / "fashion"
LEVELS = (0.1, 0.2, 0.4, 0.5)
SEEDS = 10
ARMS = ("true labels", "given labels", "relabelled", "relabelled twice", "dropped")


def true_labels(session: Session) -> np.ndarray:
    """The labels before any was planted, (N,)."""
    names = {name: number for number, name in enumerate(session.classes)}
    return np.array([names[str(name)] for name in session.project.dataset.train.extra("gold")])


def noisy_labels(session: Session, level: float) -> np.ndarray:
    """The shipped labels, with further ones flipped until a share `level` is wrong."""
    true, given = true_labels(session), np.array(session.project.dataset.train.labels)
    right = np.flatnonzero(given == true)
    more = round(level * len(given)) - (len(given) - len(right))
    if more > 0:
        flipped, _ = flip_labels(given[right], len(session.classes), more / len(right), seed=1)
        given[right] = flipped
    return given


def suggestions(session: Session, given: np.ndarray) -> tuple[np.ndarray, int]:
    """The class that the flipped side of each row predicts, (N,), and the epochs trained."""
    rows = Rows(session.features, torch.from_numpy(given), session.evidence.keys)
    config = session.head.config
    fit = fit_heads(rows, config, HeadTraining())
    head = HeadWeights(fit.W1, fit.b1, fit.W2, config)
    sides = both_sides(rows.features, rows.labels, rows.keys, head)
    return sides.flipped.argmax(1), fit.epochs


def restored(session: Session, level: float) -> dict[str, object]:
    """Accuracies of the arms on test and valid items together, and the share that came back."""
    true, given = true_labels(session), noisy_labels(session, level)
    config = session.head.config
    once, epochs = suggestions(session, given)
    twice, _ = suggestions(session, once)
    rows = Rows(session.features, torch.from_numpy(given), session.evidence.keys)
    labels = torch.from_numpy(np.stack([true, given, once, twice, given], axis=1))
    weights = torch.ones(len(given), len(ARMS))
    weights[torch.from_numpy(once != given), len(ARMS) - 1] = 0
    splits = [session.project.dataset.split(name) for name in ("valid", "test")]
    x = torch.cat([session.split_features(s.name).rows(torch.arange(len(s))) for s in splits])
    truth = np.concatenate([s.labels for s in splits])
    seen = retrain(
        replace(rows, labels=labels, weights=weights),
        replace(config, members=SEEDS, seed=1),
        HeadTraining(epochs=epochs, seed=1),
        x,
    )
    right = (seen.argmax(3) == truth).mean(2)  # (arms, seeds)
    gap = right[0].mean() - right[1].mean()
    return {
        "wrong": float((given != true).mean()),
        "wrong afterwards": [float((once != true).mean()), float((twice != true).mean())],
        "relabelled": int((once != given).sum()),
        "epochs": epochs,
        "accuracy": {arm: [float(v) for v in right[i]] for i, arm in enumerate(ARMS)},
        "gap": float(gap),
        "restored": {
            arm: float((right[i].mean() - right[1].mean()) / gap)
            for i, arm in enumerate(ARMS)
            if i > 1
        },
    }


def main() -> None:
    torch.set_num_threads(2)
    session = open_session(Project.open(SAMPLE))
    found = [restored(session, level) for level in LEVELS]
    (HERE / "relabel.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"| wrong labels | {' | '.join(ARMS)} | restored: once | twice | by dropping |")
    print("|---" * (len(ARMS) + 4) + "|")
    for one in found:
        means = [f"{100 * np.mean(one['accuracy'][arm]):.2f}" for arm in ARMS]
        back = [f"{one['restored'][arm]:.0%}" for arm in ARMS[2:]]
        print(f"| {one['wrong']:.1%} | {' | '.join(means)} | {' | '.join(back)} |")


if __name__ == "__main__":
    main()
