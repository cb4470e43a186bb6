"""Either command replaces its own part of RESULTS.md and keeps the other."""

from benchmarks.results import write_field, write_scans


def test_each_part_is_replaced_and_the_other_is_kept(tmp_path):
    path = tmp_path / "RESULTS.md"
    write_field("# Field\n", path)
    write_scans("# Scans\n", path)
    whole = path.read_text("utf-8")
    assert whole.index("# Field") < whole.index("# Scans")
    write_field("# Field again\n", path)
    write_scans("# Scans again\n", path)
    again = path.read_text("utf-8")
    assert again == whole.replace("Field", "Field again").replace("Scans", "Scans again")


def test_scans_may_come_first(tmp_path):
    path = tmp_path / "RESULTS.md"
    write_scans("# Scans\n", path)
    write_field("# Field\n", path)
    assert path.read_text("utf-8").startswith("# Field\n")
