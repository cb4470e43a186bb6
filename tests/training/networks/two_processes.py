"""Run by `accelerate launch` from `test_fit`: the same training, and who saw which keys."""

import json
import sys
from pathlib import Path

import torch
from accelerate import PartialState
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "support"))
from test_fit import TRAINING, data, network

from influence_core.training.networks.fit import fit_network
from influence_core.turnover.exposed import open_exposure


def main(folder: Path) -> None:
    model, seen = network(), []
    model[2].p = 0.0  # plain dropout draws differently in each process, on purpose
    layer = model[5]

    def note(module: torch.nn.Module, *_: object) -> None:
        if module.training:
            seen.extend(open_exposure(module).keys.tolist())

    layer.register_forward_hook(note)
    fit = fit_network(model, data(), TRAINING)
    rank = PartialState().process_index
    one_epoch = seen[: len(seen) // TRAINING.epochs]
    (folder / f"keys-{rank}.json").write_text(json.dumps(one_epoch))
    if rank == 0:
        save_file(dict(fit.state), folder / "state.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
