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
        at: path of the module to replace (an nn.Dropout), to follow (an activation, a pooling), or
            whose inputs to mask.
        replaces: whether the mask takes the module's place.
        units: how many units are masked.
        producer: path of the layer whose outputs the units are; "" if it is not isolated.
        consumers: paths of the layers that read them.
        inputs: whether the mask acts on the inputs of `at`, which is the one consumer then.
    """

    at: str
    replaces: bool
    units: int
    producer: str
    consumers: tuple[str, ...]
    inputs: bool = False


@dataclass(frozen=True)
class Plan:
    """Sites in forward order; layers whose bias must not train; modules to exchange beforehand."""

    sites: tuple[Site, ...]
    fixed: tuple[str, ...] = ()
    exchanged: dict[str, nn.Module] = field(default_factory=dict)

    def isolated(self, *, twins: bool = False) -> frozenset[str]:
        """Names of the parameters that no flipped side shares with its row.

        Args:
            twins: units have twins; those that a layer reads twice share what makes them.
        """
        names: set[str] = set()
        for site in self.sites:
            if site.producer and not (site.inputs and twins):
                names |= {f"{site.producer}.weight", f"{site.producer}.bias"}
            names |= {f"{consumer}.weight" for consumer in site.consumers}
        return frozenset(names)


# Qualified class name to the module here that holds its plan and the function's name.
_TRANSFORMERS = {
    "bert.modeling_bert.BertForSequenceClassification": ("text", "bert_plan"),
    "roberta.modeling_roberta.RobertaForSequenceClassification": ("text", "roberta_plan"),
    "distilbert.modeling_distilbert.DistilBertForSequenceClassification": (
        "text",
        "distilbert_plan",
    ),
    "deberta.modeling_deberta.DebertaForSequenceClassification": ("text", "deberta_plan"),
    "deberta_v2.modeling_deberta_v2.DebertaV2ForSequenceClassification": ("text", "deberta_plan"),
    "gpt2.modeling_gpt2.GPT2ForSequenceClassification": ("text", "gpt2_plan"),
    "vit.modeling_vit.ViTForImageClassification": ("images", "vit_plan"),
    "clip.modeling_clip.CLIPForImageClassification": ("images", "clip_plan"),
}
BUILT_IN = {
    "torchvision.models.vgg.VGG": ("vgg", "vgg_plan"),
    "torchvision.models.resnet.ResNet": ("images", "resnet_plan"),
    "torchvision.models.mobilenetv2.MobileNetV2": ("images", "mobilenet_plan"),
    "torchvision.models.mobilenetv3.MobileNetV3": ("images", "mobilenet_plan"),
    "torchvision.models.vision_transformer.VisionTransformer": ("images", "torchvision_vit_plan"),
    **{f"transformers.models.{name}": where for name, where in _TRANSFORMERS.items()},
    "peft.peft_model.PeftModel": ("lora", "lora_plan"),
}


@singledispatch
def plan(model: nn.Module, blocks: int | None) -> Plan:
    """Make the plan of a model; `blocks` are the last blocks to mask beside the classifier."""
    linears = [name for name, m in model.named_modules() if name and isinstance(m, nn.Linear)]
    last = linears[-1] if linears else "head"
    raise ModelError(
        f"There is no built-in plan for {type(model).__name__}; there are plans for "
        f"{', '.join(dict.fromkeys(name.rpartition('.')[2] for name in BUILT_IN))}. Name the layer "
        f"that makes the logits, as where={last!r}, and what it reads is masked; or give a pattern "
        'of nn.Dropout modules, such as "head.*", place TurnoverDropout layers yourself, or '
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


def last_blocks(blocks: int | None, available: int, model: nn.Module, default: int = 1) -> range:
    """Numbers of the last blocks that are asked for; the default where nothing is."""
    wanted = min(default, available) if blocks is None else blocks
    check_blocks(wanted, available, model)
    return range(available - wanted, available)


def check_blocks(blocks: int, available: int, model: nn.Module) -> None:
    """Refuse a number of blocks that the model does not have."""
    if not 0 <= blocks <= available:
        raise ModelError(
            f"{type(model).__name__} has {available} blocks; choose between 0 (masks in the "
            f"classifier only) and {available} of them, not {blocks}."
        )


def width(layer: nn.Module) -> int:
    """How many units a Linear, a Conv2d or GPT-2's Conv1D makes."""
    if isinstance(layer, nn.Linear):
        return layer.out_features
    if isinstance(layer, nn.Conv2d):
        return layer.out_channels
    if is_transposed(layer):
        return int(layer.nf)  # type: ignore[arg-type]
    kind = type(layer)
    if kind.__module__.partition(".")[0] == "peft":
        raise ModelError(
            f"{kind.__name__} is an adapter of PEFT; inject into what get_peft_model returned, "
            "whose plan masks the ranks of its adapters."
        )
    raise ModelError(
        "A plan masks the units of Linear and Conv2d layers, not of "
        f"{kind.__module__}.{kind.__name__}; name another place (where=), or merge it into a "
        "plain layer first."
    )


def is_transposed(layer: nn.Module) -> bool:
    """Whether a layer is the Conv1D of transformers: Linear, with its weight as (in, out)."""
    return type(layer).__name__ == "Conv1D" and hasattr(layer, "nf")
