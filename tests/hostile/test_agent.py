"""Arguments that no agent should send to `turnover mcp`: an answer, or a sentence and no change."""

import json
import os
import sys

import pytest
from anyio.from_thread import start_blocking_portal
from damage import JSON, WORDS, prints
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import project

from influence_core.store.reviews.store import open_reviews
from influence_core.workflow.train.head import TrainOptions, train

mcp = pytest.importorskip("mcp", reason="no MCP: the extra `mcp`")
pytestmark = pytest.mark.slow
# Every example starts a verb in a process of its own.
FEW = settings(max_examples=settings.default.max_examples // 5)
ODD = WORDS | st.sampled_from(
    ["films", "--help", "--json", "-", "--", "a\x00b", "\n", "x" * 5_000, "test-1", "train-3",
     "--scores=/tmp/x.npy", "~", ".", "films/../films", "$(id)", "\x1b[31m", "[red]x[/red]"]
)  # fmt: skip
ANY = ODD | JSON | st.sampled_from([-1, 0, 3, 2**70, True])
ARGUMENTS = {
    "projects": (), "errors": ("project", "split", "top"),
    "explain": ("project", "item", "split", "text", "toward", "top"),
    "suspicious_labels": ("project", "top"), "decide": ("project", "decisions", "agent"),
    "export": ("project", "name", "decisions"), "proposals": ("project",),
}  # fmt: skip
DECISIONS = st.lists(
    st.dictionaries(st.sampled_from(["key", "id", "verdict", "new_label", "note", "x"]),
                    ODD | st.sampled_from(["exclude", "relabel", "good"]), max_size=4), max_size=3,
)  # fmt: skip


@st.composite
def calls(draw):
    """A tool, its arguments, some of them right; a few that it does not have."""
    tool = draw(st.sampled_from(sorted(ARGUMENTS)))
    names = [*ARGUMENTS[tool], "more"]
    given_ = {name: draw(ANY) for name in draw(st.lists(st.sampled_from(names), max_size=4))}
    if draw(st.booleans()):
        given_["project"] = "films"
    if tool == "decide" and draw(st.booleans()):
        given_["decisions"] = draw(DECISIONS)
    return tool, {name: value for name, value in given_.items() if passes(value)}


def passes(value):
    """Whether JSON as the protocol has it can carry the value at all."""
    try:
        json.dumps(value, allow_nan=False).encode("utf-8")
    except (ValueError, UnicodeEncodeError):
        return False
    return True


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    """A client of the server with --write, which runs in an empty folder, and the project."""
    home = tmp_path_factory.mktemp("home")
    made = project(home / "films", n=24)
    train(made, TrainOptions(members=2, width=8, epochs=2, device="cpu"))
    (home / "work").mkdir()
    command = mcp.StdioServerParameters(
        command=sys.executable, args=["-m", "influence_core.cli", "mcp", "--write"],
        cwd=str(home / "work"), env={**os.environ, "TURNOVER_HOME": str(home)},
    )  # fmt: skip
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(mcp.Client(command)) as client,
    ):
        portal.call(client.call_tool, "suspicious_labels", {"project": "films"})
        yield lambda tool, given_: portal.call(client.call_tool, tool, given_), made


def decided(made):
    store = open_reviews(made)
    found = store.extent().events
    store.close()
    return found


def files(made):
    """All that may not change; what is computed from a run may be kept beside it."""
    return {name: it for name, it in prints(made.root).items() if "reviews.db" not in name}


def test_any_arguments_are_an_answer_or_a_sentence(agent):
    call, made = agent
    before = files(made)

    @FEW
    @given(calls())
    def check(asked):
        tool, given_ = asked
        answer = call(tool, given_)
        said = " ".join(part.text for part in answer.content)
        assert "Traceback" not in said
        assert said.strip() or not answer.is_error
        assert decided(made) == 0  # an agent proposes
        now = files(made)
        assert {name: now.get(name) for name in before} == before

    check()
