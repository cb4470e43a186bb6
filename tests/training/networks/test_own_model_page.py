"""The code of docs/own-model.md runs as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import lightning
import pytest
import tiny
import torch
from torch import nn

from influence_core import audit, freeze_shared, inject
from influence_core.store.project import Project, projects_home
from influence_core.turnover.exposed import open_exposure

PAGE = Path(__file__).parents[3] / "docs" / "own-model.md"


def blocks():
    """Blocks of Python on the page."""
    return re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def block(word):
    (found,) = (code for code in blocks() if word in code)
    return found


def test_every_block_is_python():
    assert len(blocks()) >= 6
    for code in blocks():
        compile(code, str(PAGE), "exec")


def test_the_trainer_script_makes_a_run_of_a_project_by_its_name(tmp_path):
    tiny.project(projects_home() / "films", 24)
    encoder = tiny.encoder(tmp_path / "encoder")
    script = tmp_path / "script.py"
    script.write_text(block("Trainer("), "utf-8")
    done = subprocess.run(
        [sys.executable, script, "films", encoder, tmp_path / "out"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "3 turn-over layers" in done.stdout
    (record,) = Project.open("films").runs()
    assert record.note == "our BERT"
    assert record.metrics["epochs"] == 3.0
    assert record.isolation.isolated == 1.0
    assert f"{record.metrics['flipped_accuracy']}" in done.stdout


class Rows(torch.utils.data.Dataset):
    def __init__(self, n=12):
        self.x, self.label = torch.randn(n, 6), torch.arange(n) % 2

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return {"x": self.x[i], "label": self.label[i], "key": torch.tensor(1000 + i)}


# Lightning asks torch and itself for things by names that have become old ones, and says how many
# processes would load faster.
@pytest.mark.filterwarnings("ignore")
def test_lightning_trains_under_the_rows_keys(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
    inject(model, "2")
    rows = Rows()
    freeze_shared(model, audit(model, (rows.x[:4], rows.label[:4])))
    space = {}
    exec(block("LightningModule"), space)
    module = space["Classifier"](model)
    seen = []
    layer = model[2].turnover
    watching = layer.register_forward_hook(
        lambda *_: seen.append(open_exposure(layer).keys.tolist())
    )
    before = model[2].weight.detach().clone()
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(module, torch.utils.data.DataLoader(rows, batch_size=4))
    watching.remove()
    assert not torch.equal(model[2].weight, before)
    assert sorted({key for keys in seen for key in keys}) == list(range(1000, 1012))
    assert len(seen) == 6
    assert audit(model, (rows.x[:4], rows.label[:4])).isolated == 1.0
