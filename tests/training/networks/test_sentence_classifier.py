"""The sentence classifier over several encoders: isolated by its plan, refused where unknown."""

import pytest
import torch
from torch import nn
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    RobertaConfig,
    RobertaModel,
)

from influence_core.errors import ModelError
from influence_core.training.networks.sentence_classifier import SentenceClassifier
from influence_core.turnover.audit.audit import audit
from influence_core.turnover.inject.inject import inject

SIZES = {"vocab_size": 40, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
ENCODERS = {
    "bert": lambda: BertModel(BertConfig(num_hidden_layers=3, **SIZES), add_pooling_layer=False),
    "roberta": lambda: RobertaModel(
        RobertaConfig(num_hidden_layers=3, max_position_embeddings=20, **SIZES)
    ),
    "distilbert": lambda: DistilBertModel(
        DistilBertConfig(vocab_size=40, dim=16, hidden_dim=24, n_heads=2, n_layers=3)
    ),
}


def sentences():
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]])
    return {"input_ids": torch.randint(5, 40, (3, 4)), "attention_mask": mask}


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("blocks", [0, 2])
def test_every_encoder_is_isolated(name, blocks):
    torch.manual_seed(0)
    model = SentenceClassifier(ENCODERS[name](), 3)
    report = inject(model, blocks, twins="widen")
    assert len(report.placed) == blocks + 1
    assert audit(model, (sentences(), torch.tensor([0, 1, 2])), instances=2).isolated == 1.0


def test_padding_does_not_change_a_sentence():
    torch.manual_seed(0)
    model = SentenceClassifier(ENCODERS["bert"](), 3).eval()
    batch = sentences()
    alone = {name: tensor[1:2, :2] for name, tensor in batch.items()}
    torch.testing.assert_close(model(**batch)[1:2], model(**alone), atol=1e-6, rtol=1e-5)


def test_an_encoder_with_other_blocks_is_refused():
    encoder = nn.Linear(2, 2)
    encoder.config = BertConfig(**SIZES)
    with pytest.raises(ModelError, match=r"neither in encoder\.layer nor in transformer\.layer"):
        inject(SentenceClassifier(encoder, 2))
