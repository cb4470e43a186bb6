"""The first browser decides without a name; any other is asked for one."""

from influence_core.workflow.projects.unnamed import FILE, may_be_unnamed


def test_only_the_first_browser_may_be_unnamed(tmp_path):
    assert may_be_unnamed(tmp_path, "a" * 32)
    assert not may_be_unnamed(tmp_path, "b" * 32)
    assert may_be_unnamed(tmp_path, "a" * 32)


def test_a_file_that_cannot_be_read_or_written_asks_nobody(tmp_path):
    assert may_be_unnamed(tmp_path / "nowhere", "a" * 32)
    (tmp_path / FILE).mkdir()
    assert may_be_unnamed(tmp_path, "a" * 32)
