"""Put turn-over layers into a network: the one call that makes any model carry masks.

    report = inject(model)                      # the built-in plan: last block and classifier
    report = inject(model, where=3)             # the last three blocks and the classifier
    report = inject(model, where="head.*")      # in place of the nn.Dropout modules that match
    print(report)

The model is changed in place; weights keep their names. What both sides would share is frozen by
default, so that the trained part is isolated; `audit` then proves it. Callers: `training.network`,
users with their own training script.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import nn

from influence_core.errors import ModelError
from influence_core.turnover.inject.norms import check_supported
from influence_core.turnover.inject.plan import Plan, make_plan
from influence_core.turnover.inject.twins import Twins, check_twins, make_twins
from influence_core.turnover.layer import TurnoverDropout, number_layers, turnover_layers

INJECTED = "turnover_injected"  # the arguments of `inject`, as an attribute of the model


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
    unbiased: tuple[str, ...]
    frozen: tuple[str, ...]
    trainable: int  # entries
    total: int  # entries

    def __str__(self) -> str:
        lines = [f"{self.model}: {len(self.placed)} turn-over layers", *map(str, self.placed)]
        lines += [f"  bias of {name} removed: both sides would share it" for name in self.unbiased]
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
        model: a torchvision VGG, a Hugging Face BERT, RoBERTa or DistilBERT with a classification
            head, a class with a registered plan, or any module for a pattern.
        where: how many of the last blocks to mask besides the classifier (0: the classifier only;
            None: the plan's default), or a shell pattern of `nn.Dropout` names, such as "head.*".
        p: probability that a unit is on a row's learned side.
        seed: mask seed.
        twins: give masked layers twin units (see `twins`); plans only.
        freeze_shared: freeze every parameter that both sides read; plans only. After a pattern,
            use `audit` and `audit.freeze_shared`.

    Raises:
        ModelError: no plan, no place, an unsupported layer, or layers that are there already. The
            model is unchanged then.
    """
    if turnover_layers(model):
        raise ModelError(
            f"{type(model).__name__} has turn-over layers already; inject into a fresh model."
        )
    arguments = {"where": where, "p": p, "seed": seed, "twins": twins}
    if isinstance(where, str):
        if twins != "off":
            raise ModelError("Twin units need a built-in plan; leave twins='off' for a pattern.")
        report = _by_pattern(model, where, p, seed)
        model.__dict__[INJECTED] = arguments
        return report
    plan = make_plan(model, where)
    check_supported(model)
    check_twins(plan.sites, twins, p)
    layers = [TurnoverDropout(None, p, seed) for _ in plan.sites]  # p is checked here
    frozen = _apply(model, plan, layers, twins, freeze_shared)
    model.__dict__[INJECTED] = arguments
    return _report(model, {s.at: s.producer for s in plan.sites}, plan.unbiased, frozen)


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
        units = make_twins(model, site, twins)
        layer.configure(size=units, layer=number, twin=twins != "off")
        old = model.get_submodule(site.at)
        _put(model, site.at, layer if site.replaces else nn.Sequential(old, layer))
    for name in plan.unbiased:
        model.get_submodule(name).register_parameter("bias", None)
    if not freeze_shared:
        return ()
    shared = [(n, q) for n, q in model.named_parameters() if n not in plan.isolated]
    for _, parameter in shared:
        parameter.requires_grad_(False)
    return tuple(name for name, _ in shared)


def _by_pattern(model: nn.Module, pattern: str, p: float, seed: int) -> InjectReport:
    kinds = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
    dropouts = {name: m for name, m in model.named_modules() if isinstance(m, kinds)}
    chosen = [name for name in dropouts if fnmatchcase(name, pattern)]
    if not chosen:
        there = ", ".join(list(dropouts)[:8]) or "none at all"
        raise ModelError(
            f"No nn.Dropout of {type(model).__name__} matches {pattern!r}, so there is no place "
            f"for a mask; its Dropout modules are: {there}. The dropout of nn.MultiheadAttention "
            "and of recurrent layers is a number, which no mask can replace."
        )
    check_supported(model)
    layers = {name: _layer_for(model, name, dropouts[name], p, seed) for name in chosen}
    for name, layer in layers.items():
        _put(model, name, layer)
    number_layers(model)
    return _report(model, dict.fromkeys(chosen, "its input"), (), ())


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
    model: nn.Module, after: dict[str, str], unbiased: tuple[str, ...], frozen: tuple[str, ...]
) -> InjectReport:
    placed = [
        Placed(name, layer.layer or 0, layer.size, after.get(name, after.get(name[:-2], "?")))
        for name, layer in turnover_layers(model).items()
    ]
    counts = [(q.numel(), q.requires_grad) for q in model.parameters()]
    return InjectReport(
        type(model).__name__,
        tuple(placed),
        unbiased,
        frozen,
        sum(size for size, trains in counts if trains),
        sum(size for size, _ in counts),
    )
