"""A run out of a checkpoint: for people whose training happened elsewhere.

`turnover publish films --checkpoint out/ --loader train:load` imports the user's own module from
the folder that they stand in, as `python -m` would, calls `load(Path("out/"))`, and publishes the
network and the preparation that it returns. Nothing that comes from an upload, a job or a project
is ever imported here: the name stands on the user's own command.

What would make every score wrong without a sign is refused before a run is written: masks other
than those in the checkpoint's files, and rows that are not the ones it was trained on, under these
keys. The latter shows in the losses: a network that has learned from its rows is better on each
one's learned side than on the flipped one, and by no more than chance under any other keys.
"""

import importlib
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from influence_core.errors import MismatchError, ModelError, TurnoverError, one_line
from influence_core.progress import ProgressFn
from influence_core.store.project import Project
from influence_core.store.runs import Run
from influence_core.training.networks.run import NetworkRun
from influence_core.turnover.calls import Inputs
from influence_core.turnover.layer import check_checkpoint, turnover_layers
from influence_core.workflow.train.publish import read_own, store_own

Prepare: TypeAlias = Callable[[Sequence[Any]], Inputs]
SPEC = "mask_spec"
PICKLED = (".bin", ".pt", ".pth", ".ckpt")
CLEAR = 3.0  # standard errors: one checkpoint in seven hundred by chance


def publish_checkpoint(
    project: Project,
    folder: Path,
    loader: str,
    *,
    note: str = "",
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Run:
    """Publish the network of a checkpoint, by a function of the user's own that loads it.

    Args:
        project: whose training rows it was trained on, under their keys.
        folder: of the checkpoint; handed to the function as a path.
        loader: "module:function". The function returns the network with turn-over layers and its
            weights in it, and `prepare` as for `publish`.

    Raises:
        ModelError: there is no such folder or function, it fails, or returns something else.
        MismatchError: the masks are not the checkpoint's, or the rows and keys not those that it
            was trained with. Everything that `publish` raises; no run is left.
    """
    if not folder.is_dir():
        raise ModelError(f"There is no folder {folder}; name the one that holds the checkpoint.")
    model, prepare = _loaded(own_function(loader), loader, folder)
    check_stored_masks(model, folder)
    run = read_own(project, model, prepare, progress=progress, cancel=cancel)
    check_keys(run, project.dataset.train.labels)
    return store_own(project, model, prepare, run, note=note)


def own_function(loader: str) -> Callable[[Path], Any]:
    """The function that "module:function" names, from the current folder or the environment.

    Raises:
        ModelError: it is no such name, there is no such thing, or importing it fails.
    """
    name, _, attribute = loader.partition(":")
    if not name or not attribute.isidentifier():
        raise ModelError(
            f"'{loader}' names no function; say --loader module:function, such as train:load for "
            "the function load in train.py."
        )
    found = getattr(_imported(name), attribute, None)
    if not callable(found):
        raise ModelError(
            f"The module '{name}' has no function '{attribute}' (--loader {loader}); write one "
            "that takes the checkpoint's folder and returns the network and its preparation."
        )
    return found


def _imported(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # as `python -m` does
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise ModelError(_failed(f"import {name}", error)) from error
        raise ModelError(
            f"There is no module '{name}', neither in {here} nor in this environment; call "
            "turnover from the folder that holds it."
        ) from error
    except Exception as error:  # whatever the user's own code raises
        raise ModelError(_failed(f"import {name}", error)) from error


def _loaded(
    function: Callable[[Path], Any], loader: str, folder: Path
) -> tuple[nn.Module, Prepare]:
    try:
        made = function(folder)
    except TurnoverError:
        raise
    except Exception as error:  # whatever the user's own code raises
        raise ModelError(_failed(f"{loader}({str(folder)!r})", error)) from error
    if not (isinstance(made, tuple) and len(made) == 2):
        made = (made, None)
    model, prepare = made
    if not isinstance(model, nn.Module) or not callable(prepare):
        raise ModelError(
            f"{loader} returned {type(model).__name__} and {type(prepare).__name__}; return the "
            "network (torch.nn.Module) and a function that prepares sentences, or pictures as "
            "bytes, for it: return model, prepare."
        )
    return model, prepare


def _failed(call: str, error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{call} failed in {last.filename}, line {last.lineno}, with {type(error).__name__}: "
        f"{one_line(error)}."
    )


def check_stored_masks(model: nn.Module, folder: Path) -> None:
    """Compare a network's masks with those that the files of its checkpoint speak of.

    A loader that builds the layers by other arguments, or loads weights with `strict=False`, would
    give rows masks that they were never trained under. Files without masks say nothing.

    Raises:
        MismatchError: naming the layer. ModelError: a file is damaged or holds more than tensors.
    """
    stored = {name: t for file in _files(folder) for name, t in _specs(file).items()}
    if not stored:
        return
    own = [f"{name}.{SPEC}".lstrip(".") for name in turnover_layers(model)]
    check_checkpoint(model, {_own_name(name, own): spec for name, spec in stored.items()})


def _files(folder: Path) -> list[Path]:
    kinds = {".safetensors", *PICKLED}
    return sorted(f for f in folder.iterdir() if f.suffix in kinds and f.is_file())


def _specs(file: Path) -> dict[str, Tensor]:
    """Specifications of masks in a file of weights, whatever it nests them in."""
    try:
        if file.suffix == ".safetensors":
            found: Any = load_file(file)
        else:
            found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file surfaces as almost anything
        raise ModelError(
            f"{file} cannot be read as weights alone ({one_line(error)}); save a state dict, or "
            "take the file out of the checkpoint's folder if it is none of the network's."
        ) from error
    return dict(_flat(found))


def _flat(state: Any) -> list[tuple[str, Tensor]]:
    if not isinstance(state, Mapping):
        return []
    own = [(n, t) for n, t in state.items() if str(n).endswith(SPEC) and isinstance(t, Tensor)]
    return own + [pair for part in state.values() for pair in _flat(part)]


def _own_name(stored: str, own: Sequence[str]) -> str:
    """A stored name as the network has it: Lightning and wrappers put theirs in front."""
    fits = [name for name in own if stored == name or stored.endswith("." + name)]
    return max(fits, key=len, default=stored)


def check_keys(run: NetworkRun, labels: npt.NDArray[np.integer]) -> None:
    """Refuse a network that knows nothing of its rows by their masks.

    Args:
        run: as it was read. labels: (N,) of the training rows.

    Raises:
        MismatchError: the learned sides are not better than the flipped ones.
    """
    gap = run.sides.self_influence[labels >= 0].astype(np.float64)
    error = float(gap.std(ddof=1) / np.sqrt(len(gap))) if len(gap) > 1 else np.inf
    if gap.mean() > CLEAR * error:
        return
    raise MismatchError(
        f"The network is no better on the learned side of the {len(gap):,} training rows than on "
        f"the flipped one (loss {gap.mean():+.2g} nats, ± {error:.1g} by chance), so it was not "
        "trained on these rows under their keys: train on this project's rows and hand their "
        "'key' column to the masks, build them with the seed of the training, or train longer."
    )
