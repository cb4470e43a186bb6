"""`turnover mcp` with a real client over standard input and output."""

import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager

import anyio
import pytest
from tiny import project
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.disk.names import projects_home
from influence_core.store.project import Project
from influence_core.store.reviews.store import open_reviews
from influence_core.workflow.train.head import TrainOptions, train

mcp = pytest.importorskip("mcp", reason="no MCP: the extra `mcp`")
pytestmark = pytest.mark.slow
READING = {"projects", "errors", "explain", "suspicious_labels", "verify", "proposals"}


@asynccontextmanager
async def client(*options):
    command = mcp.StdioServerParameters(
        command=sys.executable, args=["-m", "influence_core.cli", "mcp", *options],
        env=dict(os.environ),
    )  # fmt: skip
    async with mcp.Client(command) as connected:
        yield connected


@pytest.fixture
def home():
    made = project(projects_home() / "films", n=60)
    train(made, TrainOptions(members=2, width=16, epochs=2))
    return projects_home()


def test_an_agent_goes_from_the_list_of_projects_to_the_rows_behind_an_error(home):
    async def story():
        async with client() as agent:
            assert {tool.name for tool in (await agent.list_tools()).tools} == READING
            listed = (await agent.call_tool("projects", {})).structured_content["projects"]
            assert [one["project"] for one in listed] == ["films"]
            assert listed[0]["run"]
            wrong = await agent.call_tool("errors", {"project": "films", "split": "test"})
            assert wrong.structured_content["of"] == 20
            asked = {"project": "films", "split": "test", "item": "test-1", "top": 3}
            answer = (await agent.call_tool("explain", asked)).structured_content
            assert answer["item"]["id"] == "test-1"
            assert len(answer["helpful"]) == 3
            labels = await agent.call_tool("suspicious_labels", {"project": "films", "top": 2})
            assert len(labels.structured_content["queue"]) == 2

    anyio.run(story)


def test_what_is_refused_is_the_sentence_of_the_verb_and_no_argument_is_an_option(home):
    async def refused(agent, tool, **given):
        answer = await agent.call_tool(tool, given)
        assert answer.is_error
        (content,) = answer.content
        assert "Traceback" not in content.text
        return content.text

    async def story():
        async with client() as agent:
            assert "There is no project 'nothing'" in await refused(
                agent, "errors", project="nothing"
            )
            assert "There is no project '--help'" in await refused(
                agent, "errors", project="--help"
            )
            said = await refused(agent, "explain", project="films", item="--scores=/tmp/x.npy")
            assert "no item" in said
            assert "top" in await refused(agent, "errors", project="films", top=-1)
            assert await refused(agent, "decide", project="films", decisions=[])

    anyio.run(story)


def test_with_write_decisions_are_proposed_as_the_agent_and_no_file_is_replaced(home, tmp_path):
    async def story():
        async with client("--write") as agent:
            names = {tool.name for tool in (await agent.list_tools()).tools}
            assert names == READING | {"decide", "export"}
            decisions = [
                {"id": "train-3", "verdict": "exclude", "note": "twice"},
                {"id": "train-4", "verdict": "keep"},
            ]
            given = {"project": "films", "decisions": decisions, "agent": "helper"}
            answer = await agent.call_tool("decide", given)
            assert answer.structured_content["proposed"] == 2
            again = await agent.call_tool("decide", given)
            assert (again.structured_content["proposed"], again.structured_content["known"]) == (
                0,
                2,
            )
            listed = await agent.call_tool("proposals", {"project": "films"})
            found = listed.structured_content["proposals"]
            assert [(one["id"], one["by"]) for one in found] == [
                ("train-3", "agent:helper"),
                ("train-4", "agent:helper"),
            ]
            made = await agent.call_tool("export", {"project": "films", "name": "new.csv"})
            assert made.structured_content["remove"] == 0
            again = await agent.call_tool("export", {"project": "films", "name": "new.csv"})
            assert again.is_error  # nothing is replaced
            for leading_out in (str(tmp_path / "out.csv"), "../../out.csv", ".profile", ""):
                given = {"project": "films", "name": leading_out}
                assert (await agent.call_tool("export", given)).is_error

    anyio.run(story)
    films = Project.open(home / "films")
    assert [one.name for one in films.exports_folder.glob("*.csv")] == ["new.csv"]
    assert not list(tmp_path.glob("**/out.csv*"))
    store = open_reviews(films)
    assert store.events() == []  # what counts is for people to say
    store.close()


def test_a_person_accepts_on_the_command_line_what_is_left_of_the_file(home, tmp_path):
    given = tmp_path / "decisions.csv"
    given.write_text("id,verdict,note\ntrain-3,exclude,twice\ntrain-4,keep,\n")
    turnover = CliRunner().invoke
    asked = ["decide", "films", str(given), "--propose", "--reviewer", "agent:helper"]
    assert "2 decisions proposed" in turnover(app, asked).output
    assert "0 rows have" not in turnover(app, ["decisions", "films"]).output
    assert "2 rows have a proposal" in turnover(app, ["decisions", "films"]).output
    assert "agent:helper" in turnover(app, ["decisions", "films", "--proposed"]).output
    out = tmp_path / "proposed.csv"
    assert not turnover(app, ["decisions", "films", "--proposed", "--out", str(out)]).exit_code
    lines = out.read_text().splitlines()
    out.write_text("\n".join(lines[:2]) + "\n")
    assert not turnover(app, ["decide", "films", str(out), "--reviewer", "ann"]).exit_code
    found = Project.open(home / "films").decisions()
    assert found[["id", "outcome"]].to_numpy().tolist() == [["train-3", "exclude"]]
    left = turnover(app, ["decisions", "films", "--proposed", "--json"]).output
    assert [one["id"] for one in json.loads(left)["proposals"]] == ["train-4"]
    wrong = turnover(app, ["decisions", "films", "--proposed", "--split", "test"])
    assert wrong.exit_code == 1


def test_without_the_extra_the_verb_says_how_to_get_it():
    code = (
        "import sys; sys.modules['mcp'] = None; sys.argv = ['turnover', 'mcp']\n"
        "from influence_core.cli import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "turnover doctor" in done.stderr
