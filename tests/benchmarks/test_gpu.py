"""`python -m benchmarks.gpu`: the whole command, on the CPU and on a simulated card."""

import numpy as np
import pytest
import torch
from card import card

from benchmarks import gpu
from benchmarks.gpu import compare, main
from benchmarks.gpu_cases import ALL, Work

QUICK = ",".join(name for name in ALL if name not in ("texts", "pictures", "network"))


@pytest.mark.skipif(
    torch.cuda.is_available() or torch.backends.mps.is_available(), reason="a device is here"
)
def test_without_a_card_it_checks_the_torch_path_and_says_so(capsys, tmp_path):
    assert main(["--tiny", "--out", str(tmp_path / "gpu.md")]) == 0
    told = capsys.readouterr().out
    assert "no CUDA or MPS device" in told
    assert "| masks | equal |" in told
    assert told.count("| turn-over scan") == 2
    assert "differ" not in told
    assert not (tmp_path / "gpu.md").exists()


def test_a_torch_path_that_is_wrong_is_no_success(monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.gpu_cases.own_values", lambda keys, config, on, off: (
        torch.full((config.members, len(keys), config.width // 2), on)))  # fmt: skip
    assert gpu.torch_path(gpu.TINY)[1] is False


def test_the_whole_command_runs_on_a_card(tmp_path, capsys):
    out = tmp_path / "gpu.md"
    with card(name="Card X"):
        assert main(["--device", "cuda", "--tiny", "--only", QUICK, "--out", str(out)]) == 0
    table = out.read_text("utf-8")
    assert "Card X (8 GiB), driver" in table
    assert table.count("\n|") == 2 + len(QUICK.split(","))
    assert "**" not in table


@pytest.mark.slow
def test_the_whole_command_runs_on_the_processor(tmp_path):
    out = tmp_path / "gpu.md"
    assert main(["--device", "cpu", "--tiny", "--out", str(out)]) == 0
    table = out.read_text("utf-8")
    assert "encoding of 6 sentences" in table
    assert "fine-tuning with turn-over layers" in table
    for peer in ("Captum TracInCPFast", "TRAK", "kronfluence"):
        assert f"| {peer}" in table
    assert "failed" not in table


def test_what_does_not_fit_is_told_and_the_rest_goes_on(tmp_path, monkeypatch, capsys):
    def short(device, sizes):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setitem(ALL, "judge", (short, "judge"))
    out = tmp_path / "gpu.md"
    assert main(["--device", "cpu", "--tiny", "--only", "judge,masks", "--out", str(out)]) == 0
    assert "| judge | not compared | out of memory |" in out.read_text("utf-8")
    assert "| equal |" in out.read_text("utf-8")


def test_another_answer_is_told_and_ends_with_one(tmp_path, monkeypatch, capsys):
    answers = iter([1.0, 1.0, 1.5, 1.5])
    monkeypatch.setitem(ALL, "masks", (
        lambda device, sizes: Work(lambda: {"scores": np.full((1, 4), next(answers))}), "odd"
    ))  # fmt: skip
    out = tmp_path / "gpu.md"
    assert main(["--device", "cpu", "--tiny", "--only", "masks", "--out", str(out)]) == 1
    assert "**differ**" in out.read_text("utf-8")


def test_first_rows_may_change_places_only_where_they_tie():
    scores = np.array([[3.0, 2.0, 2.0 + 1e-6, -1.0]])
    answer = {"scores": scores, "top": np.array([0, 2, 1])}
    assert compare(answer | {"top": np.array([0, 1, 2])}, answer, "scores").fine
    assert not compare(answer | {"top": np.array([1, 0, 2])}, answer, "scores").fine
    assert not compare(answer | {"top": np.array([0, 2])}, answer, "scores").fine
    assert not compare(answer | {"scores": scores + 1e-3}, answer, "scores").fine


def test_a_driver_that_cannot_be_asked_is_unknown(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert gpu.driver() == "unknown"
