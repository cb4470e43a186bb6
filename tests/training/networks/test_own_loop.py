"""Keys reach the masks in a plain loop, in a foreign loop, and in the Hugging Face Trainer."""

from importlib.metadata import version

import numpy as np
import pytest
import torch
from datasets import Dataset
from packaging.version import Version
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments
from transformers.trainer_pt_utils import LabelSmoother

from influence_core.errors import KeysError, ModelError
from influence_core.training.networks.own_loop import KeyCarrier
from influence_core.training.networks.trainer_callback import KeyCallback, KeyCollator
from influence_core.turnover.exposed import open_exposure
from influence_core.turnover.exposure import exposure
from influence_core.turnover.inject.inject import inject
from influence_core.turnover.layer import TurnoverDropout, turnover_layers

ROWS = 8


class Keyword(nn.Module):
    """Takes keywords, like a Hugging Face model."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), TurnoverDropout(8), nn.Linear(8, 2))

    def forward(self, x):
        return self.body(x)


def bert():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30,
        hidden_size=16,
        num_attention_heads=2,
        intermediate_size=24,
        num_hidden_layers=2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = BertForSequenceClassification(config)
    inject(model, 2, freeze_shared=False)
    return model


def rows():
    rng = np.random.default_rng(0)
    return Dataset.from_dict(
        {
            "input_ids": rng.integers(1, 30, (ROWS, 6)).tolist(),
            "attention_mask": np.ones((ROWS, 6), int).tolist(),
            "label": (np.arange(ROWS) % 2).tolist(),
            "text": ["not for the model"] * ROWS,
            "key": (2**64 - 1 - np.arange(ROWS, dtype=np.uint64)),
        }
    )


def trainer_for(model, folder, train=None, **arguments):
    settings = {
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "max_steps": 2,
        "learning_rate": 0.1,
        "optim": "sgd",
        "lr_scheduler_type": "constant",
        "max_grad_norm": 0.0,
        "label_smoothing_factor": 0.1,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": True,
    }
    data = rows() if train is None else train
    return Trainer(
        model=model,
        args=TrainingArguments(str(folder), **{**settings, **arguments}),
        train_dataset=data,
        eval_dataset=data,
        data_collator=KeyCollator(model),
        callbacks=[KeyCallback()],
    )


def test_the_carrier_is_the_plain_loop():
    torch.manual_seed(0)
    model, x = Keyword(), torch.randn(3, 4)
    keys = torch.tensor([4, 5, 6])
    with exposure(model, keys):
        expected = model(x=x)
        expected.square().sum().backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    carrier = KeyCarrier(model)
    got = model(x=x, key=keys)
    assert open_exposure(model.body[2]).keys.tolist() == [4, 5, 6]  # still, for backward
    got.square().sum().backward()
    assert torch.equal(got, expected)
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), gradients, strict=True))
    model(x=x[:1], key=keys[:1])
    assert open_exposure(model.body[2]).keys.tolist() == [4]
    model.eval()
    full = model(x=x, key=keys)
    assert open_exposure(model.body[2]) is None
    carrier.remove()
    assert torch.equal(model(x=x), full)


def test_a_training_call_without_keys_is_refused():
    carrier = KeyCarrier(model := Keyword())
    with pytest.raises(KeysError, match="no 'key'"):
        model(x=torch.randn(2, 4))
    with exposure(model, torch.arange(2)):
        assert model(x=torch.randn(2, 4)).shape == (2, 2)  # an audit, say
    carrier.remove()
    with pytest.raises(ModelError, match="no turn-over layer"):
        KeyCarrier(nn.Linear(2, 2))


def test_the_trainer_is_the_plain_loop(tmp_path):
    """Label smoothing, accumulation and checkpointing included: the very same weights."""
    model, plain = bert(), bert()
    seen = []
    layer = next(iter(turnover_layers(model).values()))
    layer.register_forward_hook(lambda *_: seen.append(open_exposure(layer).keys.tolist()))
    recompute = getattr(model, "activation_checkpointing_enable", None)  # its name since v5
    (recompute or model.gradient_checkpointing_enable)()  # forward runs again inside backward
    trainer = trainer_for(model, tmp_path)
    batches = list(trainer.get_train_dataloader())
    trainer.train()
    assert {key for keys in seen for key in keys} == set(range(-ROWS, 0))
    assert len(seen) == 2 * 2 * 2  # steps, batches a step, forward and again in backward

    # Before transformers 5.19 a smoothed loss was not divided by the steps it is gathered over.
    divided = 2 if Version(version("transformers")) >= Version("5.19") else 1
    smoother, data = LabelSmoother(epsilon=0.1), rows()
    by_text = {tuple(row["input_ids"]): row["key"] for row in data}
    optimiser = torch.optim.SGD(plain.parameters(), lr=0.1)
    plain.train()
    for pair in (batches[:2], batches[2:]):
        optimiser.zero_grad()
        for batch in pair:
            keys = np.array(
                [by_text[tuple(ids.tolist())] for ids in batch["input_ids"]], dtype=np.uint64
            )
            with exposure(plain, keys):
                out = plain(batch["input_ids"], batch["attention_mask"])
                (smoother(out, batch["labels"]) / divided).backward()
        optimiser.step()
    for (name, a), b in zip(model.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5, msg=name)


def test_the_trainer_evaluates_the_full_network(tmp_path):
    model = bert()
    trainer = trainer_for(model, tmp_path, max_steps=1)
    trainer.train()
    got = trainer.predict(rows()).predictions
    data = rows()
    ids = torch.tensor(data["input_ids"])
    with torch.no_grad():
        expected = model.eval()(ids, torch.ones_like(ids)).logits
    np.testing.assert_allclose(got, expected.numpy(), atol=1e-6)


def test_a_data_set_without_keys_is_refused_by_the_trainer(tmp_path):
    trainer = trainer_for(bert(), tmp_path, rows().remove_columns("key"))
    with pytest.raises(KeysError, match="no 'key'"):
        trainer.train()
    assert trainer.evaluate()["eval_loss"] > 0  # the full network needs no keys
