"""Other people's estimators on the same heads: Captum, TRAK and kronfluence.

Each takes single members of a turn-over head as plain networks (Linear, ReLU, Linear without a
bias), trained on the same rows with the same order and number of epochs. Set-up includes the
training of the models that the method needs.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.task import Task
from influence_core.training.heads import fit_heads

Measured = tuple[np.ndarray, float, float]
CHECKPOINTS = 5


def network(task: Task, weights: dict[str, torch.Tensor] | None = None) -> nn.Sequential:
    """The head as a plain network."""
    d, C = task.X.shape[1], task.classes
    model = nn.Sequential(nn.Linear(d, 256), nn.ReLU(), nn.Linear(256, C, bias=False))
    if weights is not None:
        model.load_state_dict(weights)
    return model.eval()


def members(task: Task, count: int, epochs: int | None = None) -> list[dict[str, torch.Tensor]]:
    """Trained members as state dictionaries."""
    training = task.training()
    if epochs is not None:
        training = type(training)(epochs=epochs, seed=training.seed)
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
    return TensorDataset(torch.from_numpy(task.X), torch.from_numpy(task.labels))


def captum(task: Task, kind: str) -> Measured:
    """TracInCPFast, TracInCP or TracInCPFastRandProj over five checkpoints of one training."""
    from captum import influence

    start = time.perf_counter()
    epochs = np.unique(np.linspace(1, task.epochs, CHECKPOINTS).round().astype(int))
    states = [members(task, 1, int(epoch))[0] for epoch in epochs]
    model = network(task, states[-1])

    def load(net: nn.Module, path: str) -> float:
        net.load_state_dict(torch.load(path, weights_only=True))
        return 1.0

    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, state in enumerate(states):
            paths.append(str(Path(folder) / f"{number}.pt"))
            torch.save(state, paths[-1])
        common: dict[str, Any] = {
            "checkpoints_load_func": load,
            "loss_fn": nn.CrossEntropyLoss(reduction="sum"),
            "batch_size": 512,
        }
        if kind == "TracInCP":
            common["sample_wise_grads_per_batch"] = True
            method = influence.TracInCP(model, dataset(task), paths, **common)
        elif kind == "TracInCPFast":
            method = influence.TracInCPFast(model, model[2], dataset(task), paths, **common)
        else:
            method = influence.TracInCPFastRandProj(
                model, model[2], dataset(task), paths, projection_dim=512, **common
            )
        setup = time.perf_counter() - start
        x, y = torch.from_numpy(task.Xt), torch.from_numpy(task.yt)
        start = time.perf_counter()
        if kind == "TracInCPFastRandProj":
            # It ranks by nearest neighbours only; its embeddings' products are the scores.
            train = method.compute_intermediate_quantities(dataset(task))
            test = method.compute_intermediate_quantities((x, y), test=True)
            scores = test @ train.T
        else:
            scores = method.influence((x, y))
    scored = scores.detach().numpy()
    return scored, setup, (time.perf_counter() - start) / len(task.yt)


def trak(task: Task, models: int) -> Measured:
    """TRAK with a random-sign sketch, over a number of independently trained members.

    The sketch has at most 512 dimensions and a quarter of the number of rows: its λ is zero, and
    more dimensions than rows leave nothing but rounding errors.
    """
    from trak import TRAKer
    from trak.projectors import BasicProjector, ProjectionType

    dim = int(min(512, 2 ** np.floor(np.log2(len(task.labels) / 4))))
    start = time.perf_counter()
    states = members(task, models)
    model = network(task)
    size = sum(p.numel() for p in model.parameters())
    projector = BasicProjector(
        size, dim, 0, ProjectionType.rademacher, torch.device("cpu"), block_size=dim // 4
    )
    N, T = len(task.labels), len(task.yt)
    with tempfile.TemporaryDirectory() as folder:
        traker = TRAKer(
            model,
            "image_classification",
            N,
            save_dir=folder,
            device="cpu",
            projector=projector,
            proj_dim=dim,
            use_half_precision=False,
            logging_level=40,
        )
        loader = DataLoader(dataset(task), batch_size=500)
        for number, state in enumerate(states):
            traker.load_checkpoint(state, model_id=number)
            for batch in loader:
                traker.featurize(batch, num_samples=len(batch[0]))
        traker.finalize_features()
        setup = time.perf_counter() - start
        start = time.perf_counter()
        goal = [torch.from_numpy(task.Xt), torch.from_numpy(task.yt)]
        for number, state in enumerate(states):
            traker.start_scoring_checkpoint("targets", state, number, num_targets=T)
            traker.score(goal, num_samples=T)
        scores = np.array(traker.finalize_scores("targets"))
    return scores.T, setup, (time.perf_counter() - start) / T


def kronfluence(task: Task, damping: float | None) -> Measured:
    """EK-FAC of one model; damping None is its heuristic, a tenth of the mean eigenvalue."""
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
    chores = Classify()
    model = prepare_model(network(task, members(task, 1)[0]), chores)
    with tempfile.TemporaryDirectory() as folder:
        analyzer = Analyzer(
            "bench", model, chores, cpu=True, disable_tqdm=True, output_dir=folder, log_level=40
        )
        analyzer.fit_all_factors(
            "ekfac", dataset(task), per_device_batch_size=500, factor_args=FactorArguments()
        )
        setup = time.perf_counter() - start
        start = time.perf_counter()
        goal = TensorDataset(torch.from_numpy(task.Xt), torch.from_numpy(task.yt))
        analyzer.compute_pairwise_scores(
            "scores",
            "ekfac",
            goal,
            dataset(task),
            per_device_query_batch_size=len(task.yt),
            per_device_train_batch_size=500,
            score_args=ScoreArguments(damping_factor=damping),
        )
        scores = analyzer.load_pairwise_scores("scores")["all_modules"]
    scored = scores.float().numpy()
    return scored, setup, (time.perf_counter() - start) / len(task.yt)
