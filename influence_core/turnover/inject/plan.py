"""Where masks go in a known architecture: a plan, made before anything is changed.

A plan lists *sites*. Each is a hidden activation, the layer that produces it and the layers that
read it. From these follows what is isolated: a producer's weight and bias row by row, a consumer's
weight column by column. Everything else is read by both sides, and `inject` freezes it by default.

`plan` is a `functools.singledispatch` function. Built-in entries are registered when their class
is first met, by its qualified name, so that neither torchvision nor transformers is imported here.
Your own architecture: `@plan.register` a function `(model: YourModel, blocks: int | None) -> Plan`.
"""

import importlib
from dataclasses import dataclass, field
from functools import singledispatch

from torch import nn

from influence_core.errors import ModelError


@dataclass(frozen=True)
class Site:
    """One hidden activation to mask.

    Attributes:
        at: path of the module to replace (an nn.Dropout), or to follow (an activation, a pooling).
        replaces: whether the mask takes the module's place.
        units: how many units are masked.
        producer: path of the layer whose outputs the units are.
        consumers: paths of the layers that read them.
    """

    at: str
    replaces: bool
    units: int
    producer: str
    consumers: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Sites in forward order; layers whose bias must go; modules to exchange beforehand."""

    sites: tuple[Site, ...]
    unbiased: tuple[str, ...] = ()
    exchanged: dict[str, nn.Module] = field(default_factory=dict)

    @property
    def isolated(self) -> frozenset[str]:
        """Names of the parameters that no flipped side shares with its row."""
        names: set[str] = set()
        for site in self.sites:
            names |= {f"{site.producer}.weight", f"{site.producer}.bias"}
            names |= {f"{consumer}.weight" for consumer in site.consumers}
        return frozenset(names)


# Qualified class name to the module here that holds its plan and the function's name.
BUILT_IN = {
    "torchvision.models.vgg.VGG": ("vgg", "vgg_plan"),
    "transformers.models.bert.modeling_bert.BertForSequenceClassification": (
        "text",
        "bert_plan",
    ),
    "transformers.models.roberta.modeling_roberta.RobertaForSequenceClassification": (
        "text",
        "roberta_plan",
    ),
    "transformers.models.distilbert.modeling_distilbert.DistilBertForSequenceClassification": (
        "text",
        "distilbert_plan",
    ),
}


@singledispatch
def plan(model: nn.Module, blocks: int | None) -> Plan:
    """Make the plan of a model; `blocks` are the last blocks to mask beside the classifier."""
    raise ModelError(
        f"There is no built-in plan for {type(model).__name__}; there are plans for "
        f"{', '.join(name.rpartition('.')[2] for name in BUILT_IN)}. Give `where=` a name pattern "
        'of its nn.Dropout modules, such as "head.*", place TurnoverDropout layers yourself, or '
        "register a plan for the class."
    )


def make_plan(model: nn.Module, blocks: int | None) -> Plan:
    """The plan of a model, from a built-in or registered entry.

    Raises:
        ModelError: if there is none, or the model cannot be masked as asked.
    """
    for cls in type(model).__mro__:
        known = BUILT_IN.get(f"{cls.__module__}.{cls.__qualname__}")
        if known and cls not in plan.registry:
            module = importlib.import_module(f"influence_core.turnover.inject.{known[0]}")
            plan.register(cls, getattr(module, known[1]))
    return plan(model, blocks)


def check_blocks(blocks: int, available: int, model: nn.Module) -> None:
    """Refuse a number of blocks that the model does not have."""
    if not 0 <= blocks <= available:
        raise ModelError(
            f"{type(model).__name__} has {available} blocks; choose between 0 (masks in the "
            f"classifier only) and {available} of them, not {blocks}."
        )


def width(layer: nn.Module) -> int:
    """How many units a Linear or Conv2d makes."""
    if isinstance(layer, nn.Linear):
        return layer.out_features
    if isinstance(layer, nn.Conv2d):
        return layer.out_channels
    raise ModelError(
        f"A plan masks the units of Linear and Conv2d layers, not of {type(layer).__name__}."
    )
