"""A checkpoint from elsewhere becomes a run by the user's own loader, or is refused."""

import runpy
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.data.build import build_dataset
from influence_core.store.project import Project
from influence_core.turnover.exposure import exposure
from influence_core.turnover.masks import as_keys

LOADER = """\
import torch
from torch import nn
from influence_core import TurnoverDropout

class Bag(nn.Module):
    def __init__(self, seed=0):
        super().__init__()
        self.a, self.mask = nn.Linear(26, 32), TurnoverDropout(32, seed=seed)
        self.b = nn.Linear(32, 2, bias=False)

    def forward(self, x):
        return self.b(self.mask(self.a(x).relu()))

def letters(texts):
    counts = [[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts]
    return torch.tensor(counts, dtype=torch.float32)

def load(folder):
    model = Bag()
    model.load_state_dict(torch.load(folder / "net.pt", weights_only=True))
    return model, letters

def load_loosely(folder):
    model = Bag(seed=7)
    state = torch.load(folder / "net.pt", weights_only=True)
    model.load_state_dict({n: t for n, t in state.items() if "mask" not in n}, strict=False)
    return model, letters

def load_lightning(folder):
    model = Bag()
    state = torch.load(folder / "net.ckpt", weights_only=True)["state_dict"]
    model.load_state_dict({n.removeprefix("net."): t for n, t in state.items()})
    return model, letters

def load_leaky(folder):
    model, prepare = load(folder)
    model.b.bias = nn.Parameter(torch.zeros(2))
    return model, prepare

def alone(folder):
    return load(folder)[0]

def broken(folder):
    raise RuntimeError("no such thing in the file")

number = 3
"""


@pytest.fixture
def project(tmp_path):
    """Rows whose labels can only be known by heart."""
    rng = np.random.default_rng(0)
    parts = {}
    for split, rows in (("train", 40), ("test", 8)):
        texts = ["".join(map(chr, rng.integers(97, 123, 60))) for _ in range(rows)]
        labels, ids = [i % 2 for i in range(rows)], [f"{split}{i}" for i in range(rows)]
        parts[split] = {"text": texts, "label": labels, "id": ids}
    return Project.create(tmp_path / "films", "Films", build_dataset(parts, ["x", "y"]), "minilm")


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The user's own file, in the folder that they stand in."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynet.py").write_text(LOADER, "utf-8")
    (tmp_path / "halfnet.py").write_text("import no_such_library\n", "utf-8")
    yield "mynet"
    for name in ("mynet", "halfnet"):
        sys.modules.pop(name, None)


def trained(project, keys=None, seed=0):
    """A small network trained on the project's rows."""
    own = SimpleNamespace(**runpy.run_path("mynet.py"))
    torch.manual_seed(0)
    split = project.dataset.train
    x = own.letters(split.texts())
    labels = torch.from_numpy(np.array(split.labels))
    keys = as_keys(split.keys) if keys is None else keys
    model = own.Bag(seed)
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(200):
        with exposure(model, keys):
            loss = nn.functional.cross_entropy(model(x), labels)
            optimiser.zero_grad()
            loss.backward()
        optimiser.step()
    return model


def publish(project, loader, folder, *more):
    words = ["publish", str(project.root), "--checkpoint", str(folder), "--loader", loader, *more]
    return CliRunner().invoke(app, words)


@pytest.fixture
def checkpoint(project, module, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    torch.save(trained(project).state_dict(), folder / "net.pt")
    return folder


def test_a_checkpoint_from_elsewhere_becomes_an_audited_run(project, module, checkpoint):
    answer = publish(project, f"{module}:load", checkpoint, "--note", "from the cluster")
    assert answer.exit_code == 0, answer.output
    (record,) = Project.open(project.root).runs()
    assert record.note == "from the cluster"
    assert record.isolation.isolated == 1.0
    assert "audit: 100 % isolated" in answer.output
    assert "knows its rows by their masks" in said(answer, 0)


def test_the_audit_tells_what_the_loaded_network_shares(project, module, checkpoint):
    answer = publish(project, f"{module}:load_leaky", checkpoint)
    assert "% isolated: b bias are shared by both sides" in said(answer, 0)


def test_lightning_puts_a_name_before_the_masks(project, module, checkpoint):
    state = {f"net.{n}": t for n, t in trained(project).state_dict().items()}
    (checkpoint / "net.pt").unlink()
    torch.save({"state_dict": state, "epoch": 3}, checkpoint / "net.ckpt")
    assert publish(project, f"{module}:load_lightning", checkpoint).exit_code == 0


def said(answer, code=1):
    assert answer.exit_code == code, answer.output
    assert "Traceback" not in answer.output
    return " ".join(answer.output.split())


def test_masks_of_another_seed_are_refused_by_the_files_of_the_checkpoint(
    project, module, checkpoint
):
    answer = said(publish(project, f"{module}:load_loosely", checkpoint))
    assert "has seed = 7, but the checkpoint was trained with seed = 0" in answer
    assert not project.runs()
    state = torch.load(checkpoint / "net.pt", weights_only=True)
    save_file(state, checkpoint / "model.safetensors")
    weights = {n: t for n, t in state.items() if "mask" not in n}
    torch.save(weights, checkpoint / "net.pt")
    assert "has seed = 7" in said(publish(project, f"{module}:load_loosely", checkpoint))


def test_masks_of_another_seed_are_refused_by_what_the_network_knows(project, module, checkpoint):
    state = torch.load(checkpoint / "net.pt", weights_only=True)
    torch.save({n: t for n, t in state.items() if "mask" not in n}, checkpoint / "net.pt")
    answer = said(publish(project, f"{module}:load_loosely", checkpoint))
    assert "not trained on these rows under their keys" in answer
    assert not project.runs()


def test_other_keys_than_the_projects_are_refused(project, module, checkpoint):
    keys = torch.arange(len(project.dataset.train))  # positions, as a script of one's own may do
    torch.save(trained(project, keys).state_dict(), checkpoint / "net.pt")
    answer = said(publish(project, f"{module}:load", checkpoint))
    assert "no better on the learned side of the 40 training rows" in answer
    assert "'key' column" in answer
    assert not project.runs()


@pytest.mark.parametrize(
    ("loader", "says"),
    [
        ("mynet", "say --loader module:function"),
        ("mynet:", "say --loader module:function"),
        ("nothing_here:load", "no module 'nothing_here', neither in"),
        ("mynet:save", "has no function 'save'"),
        ("mynet:number", "has no function 'number'"),
        ("mynet:broken", "mynet.py, line 44, with RuntimeError: no such thing in the file."),
        ("mynet:alone", "returned Bag and NoneType; return the network"),
        ("halfnet:load", "halfnet.py, line 1, with ModuleNotFoundError"),
    ],
)
def test_a_loader_that_cannot_be_is_one_sentence(project, module, checkpoint, loader, says):
    assert says in said(publish(project, loader, checkpoint))
    assert not project.runs()


def test_what_is_no_checkpoint_is_one_sentence(project, module, checkpoint, tmp_path):
    assert "There is no folder" in said(publish(project, f"{module}:load", tmp_path / "none"))
    (checkpoint / "more.pt").write_bytes(b"no weights")
    assert "more.pt cannot be read as weights alone" in said(
        publish(project, f"{module}:load", checkpoint)
    )
    for words in (["--checkpoint", "x"], [], ["--loader", "a:b"]):
        answer = CliRunner().invoke(app, ["publish", str(project.root), *words])
        assert answer.exit_code == 2
