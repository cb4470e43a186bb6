"""The commands behind docs/reliability.md, in little: what breaks, breaks nothing."""

import pytest

from benchmarks.reliability.kill import VERBS, walk
from benchmarks.reliability.report import write
from benchmarks.reliability.writers import Writer, measure, own_server

HEAD = ("what", "count")


def test_a_table_takes_its_own_place_on_the_page_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# T\n<!-- a -->\nold\n<!-- end a -->\n<!-- b -->\nold\n<!-- end b -->\n")
    write("b", "told", [HEAD, ("x", 1)], page=page)
    first = page.read_text()
    write("b", "told", [HEAD, ("x", 2)], page=page)
    assert page.read_text() == first.replace("| x | 1 |", "| x | 2 |")
    assert "<!-- a -->\nold\n<!-- end a -->\n<!-- b -->\n`python" in first
    with pytest.raises(SystemExit, match="0 places"):
        write("c", "told", [HEAD], page=page)


@pytest.mark.slow
def test_a_kill_of_each_verb_leaves_nothing_half_done(tmp_path):
    found = walk(len(VERBS), 1, tmp_path)
    assert {name: (c.kills, c.half, c.again) for name, c in found.items()} == {
        verb.name: (1, [], []) for verb in VERBS
    }


@pytest.mark.slow
def test_a_writer_that_has_ended_before_it_was_broken_still_says_how_it_went(tmp_path):
    writer = Writer(f"sqlite:///{tmp_path}/r.db", "ann", 3)
    writer.at(1_000)
    assert writer.refusals() == 0


@pytest.mark.slow
def test_a_writer_that_dies_and_begins_again_loses_and_doubles_none(tmp_path):
    assert measure(f"sqlite:///{tmp_path}/r.db", 200, Writer.killed) == (400, 0, 0, 0, 0)


@pytest.mark.slow
@pytest.mark.postgres
def test_a_server_that_dies_three_times_loses_and_doubles_none():
    with own_server() as (url, restart):

        def restarted(writer):
            restart()
            return writer

        made, _, *wrong = measure(url, 200, restarted)
    assert (made, wrong) == (400, [0, 0, 0])
