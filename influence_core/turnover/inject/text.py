"""Plans for Hugging Face text models with a classification head, BERT to DeBERTa and GPT-2.

In each of the last blocks the hidden units of the feed-forward layer are masked, one mask for all
tokens of a sentence; in the classifier, the units of its hidden layer, or of what it reads where it
has none. Attention, LayerNorms and
the feed-forward layer's output bias are read by both sides.
"""

from typing import Any

import torch
from torch import Tensor, nn

from influence_core.errors import ModelError
from influence_core.turnover.inject.plan import Plan, Site, last_blocks, width
from influence_core.turnover.inject.readers import units_read

# Inside a block: the activation of the feed-forward layer, what produces it, what reads it.
BERT_BLOCK = ("intermediate.intermediate_act_fn", "intermediate.dense", "output.dense")
DISTILBERT_BLOCK = ("ffn.activation", "ffn.lin1", "ffn.lin2")
GPT2_BLOCK = ("mlp.act", "mlp.c_fc", "mlp.c_proj")


class HiddenHead(nn.Module):
    """RoBERTa's classification head with one dropout where it has two: after the hidden layer.

    Hugging Face's head drops the encoder's output with the same module first, which would halve
    what both sides see of the sentence. Parameter names are those of the original.
    """

    def __init__(self, dense: nn.Module, out_proj: nn.Module) -> None:
        super().__init__()
        self.dense = dense
        self.dropout = nn.Dropout(0.0)
        self.out_proj = out_proj

    def forward(self, features: Tensor, **_: Any) -> Tensor:
        """(B, T, H) encoder output to (B, C) logits, from the first token."""
        hidden = torch.tanh(self.dense(features[:, 0, :]))
        logits: Tensor = self.out_proj(self.dropout(hidden))
        return logits


def bert_plan(model: nn.Module, blocks: int | None) -> Plan:
    """BERT and everything that shares its classes, such as MiniLM."""
    sites = block_sites(model, "bert.encoder.layer", BERT_BLOCK, blocks)
    dense = model.get_submodule("bert.pooler.dense")
    sites.append(Site("dropout", True, width(dense), "bert.pooler.dense", ("classifier",)))
    return Plan(tuple(sites), fixed=("classifier",))


def roberta_plan(model: nn.Module, blocks: int | None) -> Plan:
    """RoBERTa: the encoder is BERT's, the head has its hidden layer inside."""
    sites = block_sites(model, "roberta.encoder.layer", BERT_BLOCK, blocks)
    dense = model.get_submodule("classifier.dense")
    head = HiddenHead(dense, model.get_submodule("classifier.out_proj"))
    sites.append(
        Site("classifier.dropout", True, width(dense), "classifier.dense", ("classifier.out_proj",))
    )
    return Plan(tuple(sites), fixed=("classifier.out_proj",), exchanged={"classifier": head})


def distilbert_plan(model: nn.Module, blocks: int | None) -> Plan:
    """DistilBERT: `ffn` in each block, `pre_classifier` before the logits."""
    sites = block_sites(model, "distilbert.transformer.layer", DISTILBERT_BLOCK, blocks)
    units = width(model.get_submodule("pre_classifier"))
    sites.append(Site("dropout", True, units, "pre_classifier", ("classifier",)))
    return Plan(tuple(sites), fixed=("classifier",))


def deberta_plan(model: nn.Module, blocks: int | None) -> Plan:
    """DeBERTa, all versions: blocks are BERT's; the pooler's activation is no module."""
    sites = block_sites(model, "deberta.encoder.layer", BERT_BLOCK, blocks)
    return Plan((*sites, reading(model, "classifier", "pooler.dense")), fixed=("classifier",))


def gpt2_plan(model: nn.Module, blocks: int | None) -> Plan:
    """GPT-2: `score` reads the last token as it comes out of the last block."""
    sites = block_sites(model, "transformer.h", GPT2_BLOCK, blocks)
    return Plan((*sites, reading(model, "score")), fixed=("score",))


def reading(model: nn.Module, reader: str, producer: str = "") -> Site:
    """A site on what a layer reads; `producer` is what makes it, if it alone does."""
    units = units_read(model.get_submodule(reader), reader)
    return Site(reader, False, units, producer, (reader,), inputs=True)


def block_sites(
    model: nn.Module, path: str, inside: tuple[str, str, str], blocks: int | None
) -> list[Site]:
    """Sites of the last blocks of the list at `path`; `inside` is one of the layouts above."""
    layers = list(model.get_submodule(path).children())
    act, producer, consumer = inside
    sites = []
    for number in last_blocks(blocks, len(layers), model):
        here = f"{path}.{number}"
        try:
            units = width(model.get_submodule(f"{here}.{producer}"))
            model.get_submodule(f"{here}.{act}")
        except AttributeError as error:
            raise ModelError(
                f"{here}.{act} is not a module, so no mask can follow it; choose an activation by "
                'name in the configuration, such as hidden_act="gelu".'
            ) from error
        sites.append(
            Site(f"{here}.{act}", False, units, f"{here}.{producer}", (f"{here}.{consumer}",))
        )
    return sites
