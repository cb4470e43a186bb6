"""A Hugging Face classifier out of somebody's own script, kept so that it can be built again.

Its class is in transformers, `inject` placed its masks, and a tokenizer or an image processor makes
its inputs: then a configuration, that tool's own files and the weights are the whole network, and
items that are not in the data set can go through it. Whether they really are is tried out before
anything is kept: the network built again must give the same logits on rows of the data.

`workflow.train.publish` keeps a network, `workflow.session_network` builds it again.
"""

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from influence_core.data.images import open_image
from influence_core.errors import ModelError, TurnoverError, one_line
from influence_core.training.networks.rows import tokens
from influence_core.turnover.calls import Inputs, device_of, logits_of, to_device
from influence_core.turnover.checks import SAME_SIDE, same
from influence_core.turnover.inject.inject import INJECTED, SAVED, inject
from influence_core.turnover.layer import check_checkpoint
from influence_core.turnover.prefix import eval_shell

Prepare = Callable[[Sequence[Any]], Inputs]
KEPT = "kept"  # the folder of a run that holds the files
LONGEST = 512  # tokens, where neither tokenizer nor network says


@dataclass(frozen=True)
class KeptSettings:
    """What `run.json` says of a kept network; the rest lies in a folder of the run.

    Attributes:
        cls: name of the class in transformers. inject: the arguments of `inject`.
        modality: "text" or "image". max_tokens: of a sentence; 0 for images.
    """

    cls: str
    inject: dict[str, Any]
    modality: Literal["image", "text"]
    max_tokens: int


@dataclass(frozen=True)
class KeptNetwork:
    """The network built again, in eval mode, and what prepares its inputs."""

    model: nn.Module
    modality: Literal["image", "text"]
    prepare: Prepare


def keep(model: Any, prepare: Prepare, items: Sequence[Any], folder: Path) -> KeptSettings | str:
    """Write into a folder what the network needs to be built again; or the reason why it cannot.

    Args:
        model: trained. prepare: as for `publish`. items: a few of the project, to compare on.
        folder: an empty one.
    """
    transformers = sys.modules.get("transformers")
    name = type(model).__name__
    if transformers is None or getattr(transformers, name, None) is not type(model):
        return f"{name} is no class of transformers"
    if INJECTED not in model.__dict__:
        return "its masks were not placed by `inject`"
    modality: Literal["image", "text"] = "text" if isinstance(items[0], str) else "image"
    for tool in _tools(prepare):
        model.config.save_pretrained(folder)
        tool.save_pretrained(folder)
        limit = _limit(tool, model) if modality == "text" else 0
        for most in dict.fromkeys((limit, min(limit, 256), min(limit, 128))):
            settings = KeptSettings(name, model.__dict__[INJECTED], modality, most)
            if _the_same(model, prepare, settings, folder, items):
                return settings
    kind = "tokenizer" if modality == "text" else "image processor"
    return f"its inputs are not those of a {kind} of transformers alone"


def build_kept(settings: KeptSettings, folder: Path, state: Mapping[str, Tensor]) -> KeptNetwork:
    """Build a kept network again.

    Raises:
        ModelError: something is missing or damaged, or transformers no longer has the class.
    """
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
        model = _built(transformers, settings.cls, config, settings.inject)
        load_whole(model, state)
        if settings.modality == "text":
            tool = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        else:
            tool = transformers.AutoImageProcessor.from_pretrained(folder, trust_remote_code=False)
    except ModelError:
        raise
    except Exception as error:  # a damaged file surfaces as almost anything
        raise ModelError(
            f"The network kept in {folder} cannot be built again: a file is missing or damaged, or "
            "written by another version of transformers; publish it again."
        ) from error
    return KeptNetwork(model.eval(), settings.modality, _prepare(tool, settings))


def load_injected(folder: Path | str) -> nn.Module:
    """A model of transformers with its turn-over layers, as `save_pretrained` has written it.

    `from_pretrained` alone gives the full network without masks: enough to predict with, not to
    publish, to explain, or to train on.

    Args:
        folder: of `save_pretrained`, called on a model that `inject` has changed.

    Raises:
        ModelError: it holds no such model, or is damaged. MismatchError: its masks are other ones
            than its configuration says.
    """
    import transformers
    from safetensors.torch import load_file

    try:
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
        files = sorted(Path(folder).glob("model*.safetensors"))
        state = {name: t for file in files for name, t in load_file(file).items()}
        arguments = getattr(config, SAVED, None)
        model = _built(transformers, (config.architectures or [""])[0], config, arguments)
        load_whole(model, state)
    except TurnoverError:
        raise
    except Exception as error:  # a damaged file surfaces as almost anything
        raise ModelError(
            f"The model in {folder} cannot be loaded ({one_line(error)}); it takes the folder "
            "that save_pretrained wrote of a model with turn-over layers, as safetensors."
        ) from error
    return model.eval()


def _built(
    transformers: Any, name: str, config: Any, arguments: Mapping[str, Any] | None
) -> nn.Module:
    cls = getattr(transformers, name, None)
    if not (isinstance(cls, type) and issubclass(cls, transformers.PreTrainedModel)):
        raise ModelError(f"transformers has no model {name!r}; update it.")
    if arguments is None:
        raise ModelError(
            f"This {name} was not saved with turn-over layers; load it by from_pretrained, and "
            "call inject before it is trained."
        )
    with torch.random.fork_rng(devices=[]):
        model: nn.Module = cls(config)
    inject(model, **arguments)
    return model


def load_whole(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put all weights of a network into one that was built and injected as it was.

    Networks that an older version injected have no bias in their last layer: it is zero.

    Raises:
        MismatchError: other masks. RuntimeError: a weight is missing or has another shape.
    """
    check_checkpoint(model, state)
    fixed = {
        name: torch.zeros_like(p)
        for name, p in model.named_parameters()
        if name.endswith("bias") and not p.requires_grad
    }
    model.load_state_dict({**fixed, **state})


def _prepare(tool: Any, settings: KeptSettings) -> Prepare:
    if settings.modality == "text":
        return lambda texts: tokens(tool, list(texts), settings.max_tokens)
    return lambda pictures: dict(
        tool(images=[open_image(raw).convert("RGB") for raw in pictures], return_tensors="pt")
    )


@torch.no_grad()
def _the_same(
    model: Any, prepare: Prepare, settings: KeptSettings, folder: Path, items: Sequence[Any]
) -> bool:
    """Whether the network built again gives the same logits from items, not only from inputs."""
    try:
        kept = build_kept(settings, folder, model.state_dict())
    except ModelError:
        return False
    device = device_of(model)
    kept.model.to(device)
    expected = logits_of(eval_shell(model), to_device(prepare(items), device))
    return same(logits_of(kept.model, to_device(kept.prepare(items), device)), expected, SAME_SIDE)


def _tools(prepare: Any) -> Iterator[Any]:
    """Tokenizers and image processors that a function refers to, or that it is itself."""
    from transformers import BaseImageProcessor, PreTrainedTokenizerBase

    kinds = (PreTrainedTokenizerBase, BaseImageProcessor)
    found = [prepare]
    if isinstance(prepare, functools.partial):
        found += [prepare.func, *prepare.args, *prepare.keywords.values()]
    if inspect.ismethod(prepare):
        found.append(prepare.__self__)
    for thing in list(found):
        if inspect.isfunction(thing):
            variables = inspect.getclosurevars(thing)
            found += [*variables.nonlocals.values(), *variables.globals.values()]
        elif hasattr(thing, "__dict__") and not isinstance(thing, kinds):
            found += vars(thing).values()
    yield from {id(thing): thing for thing in found if isinstance(thing, kinds)}.values()


def _limit(tokenizer: Any, model: Any) -> int:
    if tokenizer.model_max_length < 1_000_000:  # without one it is a huge number
        return int(tokenizer.model_max_length)
    positions = getattr(model.config, "max_position_embeddings", None) or LONGEST
    return int(positions) - 2  # RoBERTa's begin at 2
