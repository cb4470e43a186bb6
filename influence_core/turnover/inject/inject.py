"""Put turn-over layers into a network: the one call that makes any model carry masks.

    report = inject(model)                      # the built-in plan: last block and classifier
    report = inject(model, where=3)             # the last three blocks and the classifier
    report = inject(model, where="head.*")      # in place of the nn.Dropout modules that match
    report = inject(model, where="fc")          # on what the Linear layer of that name reads
    print(report)

The model is changed in place; weights keep their names. What both sides would share is frozen by
default, so that the trained part is isolated; `audit` then proves it. Callers: `training.networks`,
users with their own training script.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from influence_core.errors import MismatchError, ModelError
from influence_core.turnover.inject.norms import check_supported
from influence_core.turnover.inject.plan import Plan, Site, make_plan
from influence_core.turnover.inject.readers import mask_inputs, twin_inputs
from influence_core.turnover.inject.twins import Twins, check_twins, make_twins
from influence_core.turnover.layer import TurnoverDropout, number_layers, turnover_layers

INJECTED = "turnover_injected"  # the arguments of `inject`, as an attribute of the model
SAVED = "turnover"  # the same in a configuration of transformers, which `save_pretrained` writes
BEFORE = "whatever comes before it"


@dataclass(frozen=True)
class Placed:
    """One turn-over layer: its path, number and units, and the layer whose outputs it masks."""

    name: str
    number: int
    units: int | None
    after: str

    def __str__(self) -> str:
        units = "units of the first activation" if self.units is None else f"{self.units} units"
        return f"  {self.number}  {self.name}: {units}, after {self.after}"


@dataclass(frozen=True)
class InjectReport:
    """What went where."""

    model: str
    placed: tuple[Placed, ...]
    fixed: tuple[str, ...]
    frozen: tuple[str, ...]
    trainable: int  # entries
    total: int  # entries

    def __str__(self) -> str:
        lines = [f"{self.model}: {len(self.placed)} turn-over layers", *map(str, self.placed)]
        lines += [
            f"  bias of {name} stays as it is: both sides would share it" for name in self.fixed
        ]
        share = self.trainable / max(self.total, 1)
        lines.append(
            f"  {self.trainable:,} of {self.total:,} weights train ({share:.0%}); "
            f"{len(self.frozen)} parameters are frozen because both sides read them"
        )
        return "\n".join(lines)


def inject(
    model: nn.Module,
    where: int | str | None = None,
    *,
    p: float = 0.5,
    seed: int = 0,
    twins: Twins = "off",
    freeze_shared: bool = True,
) -> InjectReport:
    """Put turn-over layers into a model, in place.

    Args:
        model: of a class with a plan (`plan.BUILT_IN`: VGG, ResNet, MobileNet and ViT of
            torchvision; BERT, RoBERTa, DistilBERT, DeBERTa, GPT-2, ViT and CLIP of transformers
            with a classification head; LoRA of PEFT; your own), or any module for a pattern.
        where: how many of the last blocks to mask besides the classifier (0: the classifier only;
            None: the plan's default), or a shell pattern of `nn.Dropout` names, such as "head.*",
            or else of Linear layers whose inputs to mask, such as "fc".
        p: probability that a unit is on a row's learned side.
        seed: mask seed.
        twins: give masked layers twin units (see `twins`); plans only.
        freeze_shared: freeze every parameter that both sides read; plans only. After a pattern,
            use `audit` and `audit.freeze_shared`.

    A model of transformers keeps these arguments in its configuration, so `save_pretrained` writes
    them; `load_injected` puts the masks back.

    Raises:
        ModelError: no plan, no place, an unsupported layer, or layers that are there already.
        MismatchError: saved weights that were trained under other masks. The model is unchanged.
    """
    if turnover_layers(model):
        raise ModelError(
            f"{type(model).__name__} has turn-over layers already; inject into a fresh model."
        )
    arguments = {"where": where, "p": p, "seed": seed, "twins": twins}
    _check_saved(model, arguments)
    if isinstance(where, str):
        if twins != "off":
            raise ModelError("Twin units need a built-in plan; leave twins='off' for a pattern.")
        report = _by_pattern(model, where, p, seed)
    else:
        report = _by_plan(model, make_plan(model, where), p, seed, twins, freeze_shared)
    model.__dict__[INJECTED] = arguments
    config = getattr(model, "config", None)
    if hasattr(config, "save_pretrained"):
        setattr(config, SAVED, arguments)
    return report


def _check_saved(model: nn.Module, arguments: dict[str, Any]) -> None:
    """Refuse other masks than those under which the weights of a saved model were trained."""
    saved = getattr(getattr(model, "config", None), SAVED, None)
    if saved is None or saved == arguments:
        return
    said = ", ".join(f"{name}={value!r}" for name, value in saved.items())
    raise MismatchError(
        f"These weights were trained under masks by inject(model, {said}), and their rows own no "
        "others: say the same, or load the model by load_injected; for masks of a new training, "
        f"del model.config.{SAVED} first."
    )


def _by_plan(
    model: nn.Module, plan: Plan, p: float, seed: int, twins: Twins, freeze_shared: bool
) -> InjectReport:
    check_supported(model)
    check_twins(plan.sites, twins, p)
    layers = [TurnoverDropout(None, p, seed) for _ in plan.sites]  # p is checked here
    frozen = _apply(model, plan, layers, twins, freeze_shared)
    after = {s.at: s.producer or BEFORE for s in plan.sites}
    fixed = [name for name in plan.fixed if model.get_submodule(name).bias is not None]
    return _report(model, after, tuple(fixed), frozen)


def _apply(
    model: nn.Module,
    plan: Plan,
    layers: list[TurnoverDropout],
    twins: Twins,
    freeze_shared: bool,
) -> tuple[str, ...]:
    """Change the model as planned; returns the names of the frozen parameters."""
    for name, module in plan.exchanged.items():
        _put(model, name, module)
    for number, (site, layer) in enumerate(zip(plan.sites, layers, strict=True)):
        _place(model, site, layer, number, twins)
    for name in plan.fixed:
        bias = model.get_submodule(name).bias
        if isinstance(bias, nn.Parameter):
            bias.requires_grad_(False)
    if not freeze_shared:
        return ()
    isolated = plan.isolated(twins=twins != "off")
    shared = [(n, q) for n, q in model.named_parameters() if n not in isolated]
    for _, parameter in shared:
        parameter.requires_grad_(False)
    return tuple(name for name, _ in shared)


def _place(model: nn.Module, site: Site, layer: TurnoverDropout, number: int, twins: Twins) -> None:
    old = model.get_submodule(site.at)
    if site.inputs:
        units = twin_inputs(old) if twins == "widen" else site.units
    else:
        units = make_twins(model, site, twins)
    layer.configure(size=units, layer=number, twin=twins != "off")
    if site.inputs:
        mask_inputs(old, layer)
    else:
        _put(model, site.at, layer if site.replaces else nn.Sequential(old, layer))


def _by_pattern(model: nn.Module, pattern: str, p: float, seed: int) -> InjectReport:
    kinds = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
    dropouts = {name: m for name, m in model.named_modules() if isinstance(m, kinds)}
    chosen = [name for name in dropouts if fnmatchcase(name, pattern)]
    if not chosen:
        return _on_inputs(model, pattern, list(dropouts), p, seed)
    check_supported(model)
    layers = {name: _layer_for(model, name, dropouts[name], p, seed) for name in chosen}
    for name, layer in layers.items():
        _put(model, name, layer)
    number_layers(model)
    return _report(model, dict.fromkeys(chosen, "its input"), (), ())


def _on_inputs(
    model: nn.Module, pattern: str, dropouts: list[str], p: float, seed: int
) -> InjectReport:
    """Masks on what the Linear layers read whose names match."""
    kinds = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear) and n]
    readers = {name: m for name, m in kinds if fnmatchcase(name, pattern)}
    if not readers:
        raise ModelError(
            f"Neither an nn.Dropout nor a Linear layer of {type(model).__name__} matches "
            f"{pattern!r}, so there is no place for a mask; its Dropout modules are: "
            f"{', '.join(dropouts[:8]) or 'none at all'}; its Linear layers, of which the last "
            f"makes the logits: {', '.join(n for n, _ in kinds[-8:]) or 'none'}. The dropout of "
            "nn.MultiheadAttention and of recurrent layers is a number, which no mask can replace."
        )
    check_supported(model)
    for reader in readers.values():
        mask_inputs(reader, TurnoverDropout(reader.in_features, p, seed))
    number_layers(model)
    return _report(model, dict.fromkeys(readers, BEFORE), (), ())


def _layer_for(
    model: nn.Module, name: str, dropout: nn.Module, p: float, seed: int
) -> TurnoverDropout:
    """A layer for the place of a dropout: units and rows lie where that place has them."""
    parent = model.get_submodule(name.rpartition(".")[0])
    attention = getattr(parent, "self_attn", None)
    time_first = isinstance(attention, nn.MultiheadAttention) and not attention.batch_first
    dim = None if type(dropout) is nn.Dropout else 1
    return TurnoverDropout(None, p, seed, dim=dim, row_dim=int(time_first))


def _put(model: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    module.train(model.training)
    setattr(model.get_submodule(parent), name, module)


def _report(
    model: nn.Module, after: dict[str, str], fixed: tuple[str, ...], frozen: tuple[str, ...]
) -> InjectReport:
    placed = [
        Placed(
            name,
            layer.layer or 0,
            layer.size,
            after.get(name, after.get(name.rpartition(".")[0], "?")),
        )
        for name, layer in turnover_layers(model).items()
    ]
    counts = [(q.numel(), q.requires_grad) for q in model.parameters()]
    return InjectReport(
        type(model).__name__,
        tuple(placed),
        fixed,
        frozen,
        sum(size for size, trains in counts if trains),
        sum(size for size, _ in counts),
    )
