"""What pushed a group is the mean of what pushed its items, whatever chose them."""

import threading

import numpy as np
import pytest
from own_project import trained

from influence_core.data.keys import to_hex
from influence_core.errors import CancelledError, DataError, ModelError
from influence_core.influence import ESTIMATORS
from influence_core.store.project import Project
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.groups.group import Group, group_positions, push_on
from influence_core.workflow.explain.items import find_item, predictions
from influence_core.workflow.session import open_session

# A blend's mean is in units of its own, and a pass takes a while.
LINEAR = [name for name, e in ESTIMATORS.items() if not e.by_pass and name != "combined"]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    return open_session(Project.open(trained(home, home).root), device="cpu")


@pytest.mark.parametrize(
    "name", [n for n, e in ESTIMATORS.items() if not e.by_pass and n != "combined"]
)
@pytest.mark.parametrize("split", ["test", "train"])
def test_a_push_is_the_mean_over_explanations_one_by_one(session, split, name):
    items = group_positions(session, Group(split, right=True))[:5]
    push = push_on(session, split, items, estimator=name)
    keys = session.project.dataset.split(split).keys[items]
    options = ExplainOptions(name)
    answers = [
        explain(session, find_item(session, split, int(k)), options, keep=True) for k in keys
    ]
    wanted = np.mean([answer.scores for answer in answers], axis=0)
    if split == "train":
        wanted[items] = 0.0
    assert push.estimator == name
    assert push.predicted.tolist() == [answer.item.predicted for answer in answers]
    assert push.score == pytest.approx(wanted, rel=1e-3, abs=1e-4 * float(np.abs(wanted).max()))
    strongest = push.strongest(10)
    assert strongest.tolist() == np.argsort(-push.score, kind="stable")[:10].tolist()
    assert push.total == pytest.approx(push.score[push.score > 0].sum(), rel=1e-5)


def test_classes_slices_and_names_choose_the_items(session):
    table, split = predictions(session, "test"), session.project.dataset.split("test")
    wrong = (table["label"] != table["predicted"]).to_numpy()
    assert group_positions(session, Group("test")).tolist() == np.flatnonzero(wrong).tolist()
    cell = table[wrong].groupby(["label", "predicted"]).size().idxmax()
    wanted = wrong & (table["label"] == cell[0]) & (table["predicted"] == cell[1])
    found = group_positions(session, Group("test", (cell[0],), (cell[1],)))
    assert found.tolist() == np.flatnonzero(wanted).tolist()
    blue = np.array([str(one) == "blue" for one in split.extra("dye")])
    slice_ = group_positions(session, Group("test", part="dye=blue", right=True))
    assert slice_.tolist() == np.flatnonzero(blue).tolist()
    names = (split.ids[3], to_hex(int(split.keys[1])), split.ids[3])
    assert group_positions(session, Group("test", items=names)).tolist() == [1, 3]


@pytest.mark.parametrize(
    ("group", "error", "said"),
    [
        (Group("test", part="dye=green"), DataError, "No misclassified item of split 'test'"),
        (Group("test", part="dye=green", right=True), DataError, "No item of split"),
        (Group("test", part="colour=green"), DataError, "no slice 'colour=green'.*dye"),
        (Group("test", true=("square",)), ModelError, "does not know the label 'square'"),
        (Group("test", items=("nobody",)), DataError, "no item with the id or key 'nobody'"),
        (Group("tset"), DataError, "tset"),
    ],
)
def test_what_is_not_there_is_refused_with_words(session, group, error, said):
    with pytest.raises(error, match=said):
        group_positions(session, group)


def test_no_item_is_refused_and_a_scan_stops(session):
    with pytest.raises(DataError, match="no item"):
        push_on(session, "test", np.array([], dtype=np.int64))
    stop = threading.Event()
    stop.set()
    for name in ("flipped-ridge", "flipped-cosine"):
        with pytest.raises(CancelledError):
            push_on(session, "test", np.array([0, 1]), estimator=name, cancel=stop)
