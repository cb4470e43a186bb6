"""A sentence classifier over any Hugging Face encoder: mean of the token vectors, one hidden layer.

The frozen text encoders average token vectors too, so a network trained whole starts from the very
features that a head would see. Its plan masks the hidden layer and, in the last blocks, the
feed-forward units; encoders with BERT's or DistilBERT's blocks have them.
"""

from typing import Any

from torch import Tensor, nn

from influence_core.errors import ModelError
from influence_core.turnover.inject.plan import Plan, Site, plan
from influence_core.turnover.inject.text import BERT_BLOCK, DISTILBERT_BLOCK, block_sites

# Where encoders keep their blocks, and what the parts of a block are called.
LAYOUTS = {"encoder.layer": BERT_BLOCK, "transformer.layer": DISTILBERT_BLOCK}


class SentenceClassifier(nn.Module):
    """Encoder, mean over the tokens, hidden layer, logits.

    Args:
        encoder: a Hugging Face encoder (`AutoModel`).
        classes: how many.
    """

    def __init__(self, encoder: Any, classes: int) -> None:
        super().__init__()
        size = int(encoder.config.hidden_size)
        self.encoder = encoder
        self.dense = nn.Linear(size, size)
        self.activation = nn.ReLU()
        self.classifier = nn.Linear(size, classes, bias=False)  # both sides would share it

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **more: Tensor) -> Tensor:
        """(B, T) tokens and their mask to (B, C) logits."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **more)[0]
        mask = attention_mask[..., None].to(hidden.dtype)
        pooled = (hidden * mask).sum(1) / mask.sum(1).clamp_min(1)  # (B, H)
        logits: Tensor = self.classifier(self.activation(self.dense(pooled)))
        return logits


@plan.register
def sentence_plan(model: SentenceClassifier, blocks: int | None) -> Plan:
    """Feed-forward units of the last blocks, and the hidden layer."""
    found = [path for path in LAYOUTS if _has(model.encoder, path)]
    if not found:
        raise ModelError(
            f"{type(model.encoder).__name__} keeps its blocks neither in {' nor in '.join(LAYOUTS)}"
            ", so it is not known where masks belong; choose a BERT-like encoder, or inject into "
            "your own model by a pattern."
        )
    sites = block_sites(model, f"encoder.{found[0]}", LAYOUTS[found[0]], blocks)
    units = model.dense.out_features
    sites.append(Site("activation", False, units, "dense", ("classifier",)))
    return Plan(tuple(sites), fixed=("classifier",))


def _has(module: nn.Module, path: str) -> bool:
    try:
        module.get_submodule(path)
    except AttributeError:
        return False
    return True
