"""Plans for picture networks: ResNet, MobileNet, and vision transformers of both libraries.

In each of the last blocks the units of its inner layer are masked: channels before the last
convolution of a block, hidden units of a transformer's MLP. Their classifiers mostly have no hidden
layer; then the features that they read are masked.
"""

from torch import nn

from influence_core.errors import ModelError
from influence_core.turnover.inject.plan import Plan, Site, last_blocks, width
from influence_core.turnover.inject.text import block_sites, reading
from influence_core.turnover.inject.vgg import classifier_sites

MLP = ("mlp.activation_fn", "mlp.fc1", "mlp.fc2")  # of ViT and CLIP in transformers
# Where versions of transformers keep the blocks of a vision tower.
CLIP_BLOCKS = ("vision_model.encoder.layers", "vision_model.vision_model.encoder.layers")


def resnet_plan(model: nn.Module, blocks: int | None) -> Plan:
    """torchvision's ResNet, all depths: channels before each block's last convolution."""
    found = [
        f"layer{stage}.{number}"
        for stage in range(1, 5)
        for number in range(len(list(model.get_submodule(f"layer{stage}").children())))
    ]
    sites = []
    for path in (found[i] for i in last_blocks(blocks, len(found), model)):
        last = 3 if hasattr(model.get_submodule(path), "conv3") else 2
        sites.append(reading(model, f"{path}.conv{last}", f"{path}.conv{last - 1}"))
    return Plan((*sites, reading(model, "fc")), fixed=("fc",))


def mobilenet_plan(model: nn.Module, blocks: int | None) -> Plan:
    """torchvision's MobileNet, versions 2 and 3: channels before each block's projection."""
    projections = _projections(model)
    chosen = [projections[i] for i in last_blocks(blocks, len(projections), model)]
    sites = [reading(model, reader, producer) for reader, producer in chosen]
    classifier = model.get_submodule("classifier")
    linears = [i for i, m in enumerate(classifier.children()) if isinstance(m, nn.Linear)]
    last = f"classifier.{linears[-1]}"
    hidden = classifier_sites(classifier, "classifier", linears)
    return Plan((*sites, *(hidden or [reading(model, last)])), fixed=(last,))


def _projections(model: nn.Module) -> list[tuple[str, str]]:
    """Each block's last convolution, and the depthwise one that makes what it reads.

    Squeeze-and-excitation in between scales channels by all of them, so the depthwise weights are
    not isolated where it stands.
    """
    found = []
    for name, block in model.get_submodule("features").named_children():
        inside = "conv" if hasattr(block, "conv") else "block"
        if type(block).__name__ != "InvertedResidual":
            continue
        here = f"features.{name}.{inside}"
        convolutions = [
            (f"{here}.{path}", m)
            for path, m in block.get_submodule(inside).named_modules()
            if isinstance(m, nn.Conv2d)
        ]
        (before, depthwise), (last, _) = convolutions[-2:]
        found.append((last, before if depthwise.groups > 1 else ""))
    return found


def torchvision_vit_plan(model: nn.Module, blocks: int | None) -> Plan:
    """torchvision's ViT: hidden units of the last MLPs, and what the head reads."""
    path = "encoder.layers"
    names = [name for name, _ in model.get_submodule(path).named_children()]
    sites = []
    for name in (names[i] for i in last_blocks(blocks, len(names), model)):
        here = f"{path}.{name}.mlp"
        units = width(model.get_submodule(f"{here}.0"))
        sites.append(Site(f"{here}.2", True, units, f"{here}.0", (f"{here}.3",)))
    before = "heads.pre_logits" if hasattr(model.get_submodule("heads"), "pre_logits") else ""
    return Plan((*sites, reading(model, "heads.head", before)), fixed=("heads.head",))


def vit_plan(model: nn.Module, blocks: int | None) -> Plan:
    """ViT of transformers: the classifier reads the first token."""
    return _tower(model, blocks, ("vit.layers", "vit.encoder.layers"))


def clip_plan(model: nn.Module, blocks: int | None) -> Plan:
    """CLIP's vision tower of transformers: the classifier reads the mean over the patches."""
    return _tower(model, blocks, CLIP_BLOCKS)


def _tower(model: nn.Module, blocks: int | None, places: tuple[str, ...]) -> Plan:
    there = dict(model.named_modules())
    path = next((place for place in places if place in there), None)
    if path is None or not isinstance(there.get("classifier"), nn.Linear):
        raise ModelError(
            f"{type(model).__name__} of this version of transformers keeps its blocks and its "
            "classifier elsewhere than is known; name the layer that makes the logits (where=)."
        )
    sites = block_sites(model, path, MLP, blocks)
    return Plan((*sites, reading(model, "classifier")), fixed=("classifier",))
