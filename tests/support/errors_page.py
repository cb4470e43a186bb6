"""The app without a browser, on the shipped samples."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from influence_core.installed import sample_root
from influence_core.store.project import Project
from influence_core.workflow.explain.items import misclassified
from influence_core.workflow.session import open_session

APP = Path(__file__).resolve().parents[2] / "app.py"


def start(item=None, address=None, **switches):
    """The page with these switches; widgets read the address bar in a real browser only."""
    test = AppTest.from_file(str(APP), default_timeout=600)
    for name, value in switches.items():
        test.session_state[name] = value
    if item is not None:
        test.query_params["item"] = item
    for name, value in (address or {}).items():
        test.query_params[name] = value
    return test.run()


def influences(test):
    """What the bars of all cards tell on hover: "influence +0.83 ± 0.01", in their order."""
    bars = [one.proto.body for one in test.get("html")]
    return [bar.split('title="')[1].split('"')[0] for bar in bars if 'title="influence' in bar]


def worst(name):
    session = open_session(Project.open(sample_root() / name))
    return session, misclassified(session, "test")
