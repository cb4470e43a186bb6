import os
import time

import pytest
import torch

from influence_core.disk import checkpoint as module
from influence_core.disk.checkpoint import FORGOTTEN_SECONDS, Checkpoint, Parts, tidy

ONE = {"harm": torch.tensor([0.1, float("nan")]), "stderr": torch.ones(2)}, {"loss": 0.3}
TWO = {"log_proba": torch.zeros(2, 3)}, {"loss": float("inf")}


@pytest.fixture
def parts(tmp_path):
    made = Parts(tmp_path / "deep" / "rounds-1", "me")
    made.keep("one", *ONE)
    made.keep("two", *TWO)
    return made


def files(parts):
    return sorted(parts.stem.parent.iterdir())


def same_bits(one, other):
    return one.dtype == other.dtype and torch.equal(one.view(torch.int32), other.view(torch.int32))


def test_parts_come_back_to_the_bit(parts):
    for name, (tensors, figures) in (("one", ONE), ("two", TWO)):
        kept, record = parts.find(name)
        assert record == figures
        assert kept.keys() == tensors.keys()
        assert all(same_bits(kept[key], tensors[key]) for key in tensors)
    assert parts.find("three") is None


def test_a_part_of_other_work_or_of_another_name_is_not_taken(parts):
    assert Parts(parts.stem, "other").find("one") is None
    one, two = files(parts)
    kept = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(kept)
    assert parts.find("one") is None
    assert parts.find("two") is None


def test_no_turned_bit_passes_for_a_part(parts):
    for path in files(parts):
        whole = path.read_bytes()
        for position in range(len(whole)):
            turned = bytearray(whole)
            turned[position] ^= 4
            path.write_bytes(turned)
            for name, (tensors, figures) in (("one", ONE), ("two", TWO)):
                found = parts.find(name)
                if found is None:
                    continue
                assert found[1] == figures
                assert all(same_bits(found[0][key], tensors[key]) for key in tensors)
        path.write_bytes(whole)


def test_the_same_bytes_in_another_shape_are_damage(parts):
    damaged = 0
    for path in files(parts):
        whole = path.read_bytes()
        damaged += whole.count(b'"shape":[2,3]')
        path.write_bytes(whole.replace(b'"shape":[2,3]', b'"shape":[3,2]'))
    assert damaged == 1
    assert parts.find("two") is None
    assert parts.find("one") is not None


def test_a_finished_part_ends_the_training_that_was_under_way(parts):
    parts.under_way("three").path.write_bytes(b"state")
    parts.keep("three", *ONE)
    assert not parts.under_way("three").path.exists()
    assert len(files(parts)) == 3


def test_discarded_parts_leave_other_work_alone(parts):
    other = Parts(parts.stem.with_name("rounds-12"), "me")
    other.keep("one", *ONE)
    parts.under_way("three").path.write_bytes(b"state")
    parts.discard()
    assert files(parts) == files(other)
    assert len(files(other)) == 1
    assert other.find("one") is not None


def test_work_that_more_decides_about_is_other_work(parts):
    more = parts.of("plan")
    assert more.find("one") is None
    more.keep("one", *TWO)
    assert parts.find("one") is None
    assert parts.of("plan").find("one")[1] == TWO[1]
    assert parts.of("pl", "an").find("one") is None


def test_what_other_code_left_is_not_taken(parts, monkeypatch):
    assert parts.find("one") is not None
    monkeypatch.setattr(module, "of_code", lambda: "other")
    assert parts.find("one") is None


def test_a_folder_that_cannot_be_written_is_one_sentence_and_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    file = Checkpoint(tmp_path / "file" / "c.safetensors", "me")
    assert file.save(*ONE).startswith("Cannot write ")
    assert file.load() is None
    file.discard()


def test_only_forgotten_work_of_others_is_tidied(tmp_path):
    """Folders are those of networks, as earlier versions kept them (B8)."""
    old = time.time() - FORGOTTEN_SECONDS - 60
    for name in ("head-old.safetensors", "head-new.safetensors", "own-old.safetensors"):
        Checkpoint(tmp_path / name, "me").save(*ONE)
    for name in ("0123456789abcdef", "fedcba9876543210"):
        Checkpoint(tmp_path / name / "checkpoint.safetensors", "me").save(*ONE)
    for name in ("head-old.safetensors", "own-old.safetensors", "0123456789abcdef"):
        os.utime(tmp_path / name, (old, old))
    tidy(tmp_path, "own-old")
    left = ["fedcba9876543210", "head-new.safetensors", "own-old.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == left
    tidy(tmp_path / "missing")
