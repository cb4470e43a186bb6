"""Other people's estimators on the same heads: Captum, TRAK and kronfluence.

Each takes single members of a turn-over head as plain networks (Linear, ReLU, Linear without a
bias), trained on the same rows with the same order and number of epochs.
"""

import time
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.folders import lasting_folder
from benchmarks.process import Ready
from benchmarks.task import Task
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining

CHECKPOINTS = 5
SKETCH = 512


def network(task: Task, weights: dict[str, torch.Tensor] | None = None) -> nn.Sequential:
    """The head as a plain network."""
    d, C = task.X.shape[1], task.classes
    model = nn.Sequential(nn.Linear(d, 256), nn.ReLU(), nn.Linear(256, C, bias=False))
    if weights is not None:
        model.load_state_dict(weights)
    return model.eval().to(task.device)


def members(task: Task, count: int, epochs: int | None = None) -> list[dict[str, torch.Tensor]]:
    """Trained members as state dictionaries."""
    training = task.training() if epochs is None else HeadTraining(epochs=epochs)
    fit = fit_heads(task.rows, task.head(members=count), training)
    return [
        {
            "0.weight": fit.W1[e].T.contiguous().clone(),
            "0.bias": fit.b1[e].clone(),
            "2.weight": fit.W2[e].T.contiguous().clone(),
        }
        for e in range(count)
    ]


def dataset(task: Task) -> TensorDataset:
    """The training rows."""
    X, labels = torch.from_numpy(task.X), torch.from_numpy(task.labels)
    return TensorDataset(X.to(task.device), labels.to(task.device))


def goal(task: Task, which: slice) -> tuple[torch.Tensor, torch.Tensor]:
    """Some of the targets."""
    x, y = torch.from_numpy(task.Xt[which]), torch.from_numpy(task.yt[which])
    return x.to(task.device), y.to(task.device)


def captum(task: Task, kind: str) -> Ready:
    """TracInCPFast, TracInCP or TracInCPFastRandProj over five checkpoints of one training."""
    from captum import influence

    folder = lasting_folder()
    paths = []
    training = 0.0
    for epoch in np.unique(np.linspace(1, task.epochs, CHECKPOINTS).round().astype(int)):
        start = time.perf_counter()
        state = members(task, 1, int(epoch))[0]
        training = time.perf_counter() - start  # the last one: one training passes all of them
        paths.append(str(folder / f"{epoch}.pt"))
        torch.save(state, paths[-1])
    model = network(task, state)

    def load(net: nn.Module, path: str) -> float:
        net.load_state_dict(torch.load(path, weights_only=True))
        return 1.0

    common: dict[str, Any] = {
        "checkpoints_load_func": load,
        "loss_fn": nn.CrossEntropyLoss(reduction="sum"),
        "batch_size": 512,
    }
    start = time.perf_counter()
    if kind == "TracInCP":
        common["sample_wise_grads_per_batch"] = True
        method = influence.TracInCP(model, dataset(task), paths, **common)
    elif kind == "TracInCPFast":
        method = influence.TracInCPFast(model, model[2], dataset(task), paths, **common)
    else:
        method = influence.TracInCPFastRandProj(
            model, model[2], dataset(task), paths, projection_dim=SKETCH, **common
        )
        # It ranks by nearest neighbours only; its embeddings' products are the scores.
        train = method.compute_intermediate_quantities(method.train_dataloader)
    setup = time.perf_counter() - start

    def score(which: slice) -> np.ndarray:
        if kind == "TracInCPFastRandProj":
            found = method.compute_intermediate_quantities(goal(task, which)) @ train.T
        else:
            found = method.influence(goal(task, which))
        return found.detach().cpu().numpy()

    return Ready(score, training, setup, 1)


def trak(task: Task, models: int, ridge: float = 0.0) -> Ready:
    """TRAK with a random-sign sketch of 512, over a number of independently trained members.

    With its default λ of zero the sketch has at most a quarter of the number of rows: more
    dimensions than rows leave nothing but rounding errors.
    """
    from trak import TRAKer
    from trak.projectors import BasicProjector, ProjectionType

    dim = SKETCH
    if not ridge:
        dim = int(min(SKETCH, 2 ** np.floor(np.log2(len(task.labels) / 4))))
    start = time.perf_counter()
    states = members(task, models)
    done = time.perf_counter()
    model = network(task)
    size = sum(p.numel() for p in model.parameters())
    projector = BasicProjector(
        size, dim, 0, ProjectionType.rademacher, torch.device(task.device), block_size=dim // 4
    )
    folder = lasting_folder()
    traker = TRAKer(
        model,
        "image_classification",
        len(task.labels),
        save_dir=str(folder),
        device=task.device,
        projector=projector,
        proj_dim=dim,
        lambda_reg=ridge,
        use_half_precision=False,
        logging_level=40,
    )
    loader = DataLoader(dataset(task), batch_size=500)
    for number, state in enumerate(states):
        traker.load_checkpoint(state, model_id=number)
        for batch in loader:
            traker.featurize(batch, num_samples=len(batch[0]))
    traker.finalize_features()
    setup = time.perf_counter() - done

    def score(which: slice) -> np.ndarray:
        some = list(goal(task, which))
        name = f"targets{len(some[1])}"
        for number, state in enumerate(states):
            traker.start_scoring_checkpoint(name, state, number, num_targets=len(some[1]))
            traker.score(some, num_samples=len(some[1]))
        return np.array(traker.finalize_scores(name)).T

    return Ready(score, done - start, setup, models)


def kronfluence(task: Task, damping: float) -> Ready:
    """EK-FAC of one model."""
    from kronfluence import Analyzer, prepare_model
    from kronfluence.arguments import FactorArguments, ScoreArguments
    from kronfluence.task import Task as Base

    class Classify(Base):
        def compute_train_loss(self, batch: Any, model: nn.Module, sample: bool = False) -> Any:
            logits = model(batch[0])
            labels = batch[1]
            if sample:
                labels = torch.multinomial(logits.detach().softmax(-1), 1)[:, 0]
            return nn.functional.cross_entropy(logits, labels, reduction="sum")

        def compute_measurement(self, batch: Any, model: nn.Module) -> Any:
            return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="sum")

    torch.manual_seed(0)
    start = time.perf_counter()
    state = members(task, 1)[0]
    done = time.perf_counter()
    chores = Classify()
    model = prepare_model(network(task, state), chores)
    folder = lasting_folder()
    analyzer = Analyzer(
        "bench",
        model,
        chores,
        cpu=task.device == "cpu",
        disable_tqdm=True,
        output_dir=str(folder),
        log_level=40,
    )
    analyzer.fit_all_factors(
        "ekfac", dataset(task), per_device_batch_size=500, factor_args=FactorArguments()
    )
    setup = time.perf_counter() - done

    def score(which: slice) -> np.ndarray:
        some = TensorDataset(*goal(task, which))
        analyzer.compute_pairwise_scores(
            "scores",
            "ekfac",
            some,
            dataset(task),
            per_device_query_batch_size=len(some),
            per_device_train_batch_size=500,
            score_args=ScoreArguments(damping_factor=damping),
            overwrite_output_dir=True,
        )
        return analyzer.load_pairwise_scores("scores")["all_modules"].float().numpy()

    return Ready(score, done - start, setup, 1)
