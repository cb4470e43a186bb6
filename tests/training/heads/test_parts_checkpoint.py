import pytest
import torch

from influence_core.training.heads.parts_checkpoint import Part, PartsCheckpoint, discard_parts

ONE = Part({"harm": torch.tensor([0.1, float("nan")]), "stderr": torch.ones(2)}, {"loss": 0.3})
TWO = Part({"log_proba": torch.zeros(2, 3)}, {"loss": float("inf")})


@pytest.fixture
def parts(tmp_path):
    made = PartsCheckpoint(tmp_path / "deep" / "rounds-1", "me")
    made.keep("one", ONE)
    made.keep("two", TWO)
    return made


def files(parts):
    return sorted(parts.stem.parent.iterdir())


def same_bits(one, other):
    return one.dtype == other.dtype and torch.equal(one.view(torch.int32), other.view(torch.int32))


def test_parts_come_back_to_the_bit(parts):
    for name, part in (("one", ONE), ("two", TWO)):
        kept = parts.find(name)
        assert kept.figures == part.figures
        assert kept.tensors.keys() == part.tensors.keys()
        assert all(same_bits(kept.tensors[key], part.tensors[key]) for key in part.tensors)
    assert parts.find("three") is None


def test_a_part_of_other_work_or_of_another_name_is_not_taken(parts):
    assert PartsCheckpoint(parts.stem, "other").find("one") is None
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
            for name, part in (("one", ONE), ("two", TWO)):
                found = parts.find(name)
                if found is None:
                    continue
                assert found.figures == part.figures
                assert all(same_bits(found.tensors[key], part.tensors[key]) for key in part.tensors)
        path.write_bytes(whole)


def test_the_same_bytes_in_another_shape_are_damage(parts):
    bent = 0
    for path in files(parts):
        whole = path.read_bytes()
        bent += whole.count(b'"shape":[2,3]')
        path.write_bytes(whole.replace(b'"shape":[2,3]', b'"shape":[3,2]'))
    assert bent == 1
    assert parts.find("two") is None
    assert parts.find("one") is not None


def test_a_finished_part_ends_the_training_that_was_under_way(parts):
    parts.training("three").path.write_bytes(b"state")
    parts.keep("three", ONE)
    assert not parts.training("three").path.exists()
    assert len(files(parts)) == 3


def test_discarded_parts_leave_other_work_alone(parts):
    other = PartsCheckpoint(parts.stem.with_name("rounds-12"), "me")
    other.keep("one", ONE)
    parts.training("three").path.write_bytes(b"state")
    discard_parts(parts.stem)
    assert files(parts) == files(other)
    assert len(files(other)) == 1
    assert other.find("one") is not None
