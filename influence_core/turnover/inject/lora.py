"""The plan for LoRA on a frozen base (PEFT): the ranks of every adapter are its hidden units.

An adapter adds B (A x) to a frozen layer. With a mask on A x, row k of A and column k of B are
taught by, and read for, the rows alone that have rank k on that side: all that trains is isolated,
in every layer of the network, and the base is the same for both sides. A classifier that trains
beside the adapters (`modules_to_save`) reads its inputs through a mask, too.
"""

from typing import Any

from torch import nn

from influence_core.errors import ModelError
from influence_core.turnover.inject.plan import Plan, Site, last_blocks
from influence_core.turnover.inject.readers import units_read


def lora_plan(model: Any, blocks: int | None) -> Plan:
    """Ranks of the last adapters (all by default), and what the trained classifier reads."""
    adapter = model.active_adapter
    if getattr(model.peft_config[adapter], "use_dora", False):
        raise ModelError(
            f"The adapter '{adapter}' is a DoRA, which works on weights that all rows share, so no "
            "mask divides it; use plain LoRA (use_dora=False)."
        )
    paths = [n for n, _ in model.named_modules() if n.endswith(f".lora_B.{adapter}")]
    if not paths:
        raise ModelError(
            f"The adapter '{adapter}' of {type(model).__name__} is no LoRA, so it has no ranks to "
            "mask; use LoraConfig."
        )
    sites = [_ranks(model, paths[i]) for i in last_blocks(blocks, len(paths), model, len(paths))]
    classifier = _classifier(model)
    if classifier is None:
        return Plan(tuple(sites))
    units = units_read(model.get_submodule(classifier), classifier)
    sites.append(Site(classifier, False, units, "", (classifier,), inputs=True))
    return Plan(tuple(sites), fixed=(classifier,))


def _ranks(model: nn.Module, reader: str) -> Site:
    ranks = units_read(model.get_submodule(reader), reader)
    if ranks < 2:
        raise ModelError(
            f"{reader} has a single rank, which cannot lie on two sides; give the LoRA 8 ranks or "
            "more (r=8)."
        )
    return Site(reader, False, ranks, reader.replace(".lora_B.", ".lora_A."), (reader,), True)


def _classifier(model: nn.Module) -> str | None:
    """The last Linear layer that trains beside the adapters."""
    trained = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.Linear) and ".lora_" not in name and m.weight.requires_grad
    ]
    return trained[-1] if trained else None
