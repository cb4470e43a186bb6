"""The plan for torchvision's VGG, any layer list: channels after conv blocks, classifier units.

A block is what stands before a max-pooling. Its mask follows the pooling, on whole channels: a
filter is shared over all positions, so an elementwise mask would leak. The first convolution of a
block reads masked channels (its weight is isolated, its bias is not), the last one makes them
(both are); one in between is shared.
"""

from itertools import pairwise

from torch import nn

from influence_core.errors import ModelError
from influence_core.turnover.inject.plan import Plan, Site, last_blocks, width


def vgg_plan(model: nn.Module, blocks: int | None) -> Plan:
    """Channel masks after the last `blocks` conv blocks, unit masks in the classifier."""
    features = model.get_submodule("features")
    ends = [i for i, m in enumerate(features.children()) if isinstance(m, nn.MaxPool2d)]
    convs = [i for i, m in enumerate(features.children()) if isinstance(m, nn.Conv2d)]
    linears = [
        i for i, m in enumerate(model.get_submodule("classifier").children()) if _is_linear(m)
    ]
    if not linears:
        raise ModelError(
            f"The classifier of {type(model).__name__} has no Linear layer, so there is no unit "
            "to mask before the logits; give it a hidden layer."
        )
    sites = []
    for end in (ends[number] for number in last_blocks(blocks, len(ends), model)):
        producer = max(i for i in convs if i < end)
        later = [i for i in convs if i > end]
        reader = f"features.{later[0]}" if later else f"classifier.{linears[0]}"
        units = width(features.get_submodule(str(producer)))
        sites.append(Site(f"features.{end}", False, units, f"features.{producer}", (reader,)))
    sites += classifier_sites(model.get_submodule("classifier"), "classifier", linears)
    if not sites:
        raise ModelError(
            f"{type(model).__name__} with a single Linear classifier has no hidden units outside "
            "its convolutions; mask at least one block."
        )
    return Plan(tuple(sites), fixed=(f"classifier.{linears[-1]}",))


def classifier_sites(classifier: nn.Module, path: str, linears: list[int]) -> list[Site]:
    """One site per hidden Linear: in place of the Dropout behind it, else after its activation."""
    children = list(classifier.children())
    sites = []
    for here, after in pairwise(linears):
        between = range(here + 1, after)
        dropouts = [i for i in between if isinstance(children[i], nn.Dropout)]
        if not between:
            raise ModelError(
                f"{path}.{here} and {path}.{after} are Linear layers with no activation between "
                "them, so there is no place for a mask; put one in."
            )
        at = dropouts[-1] if dropouts else after - 1
        units = width(children[here])
        sites.append(
            Site(f"{path}.{at}", bool(dropouts), units, f"{path}.{here}", (f"{path}.{after}",))
        )
    return sites


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear)
