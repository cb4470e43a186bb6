"""Rows behind many errors: what one explanation after the other would count."""

import threading
from collections import defaultdict

import pytest
from tiny import project

from influence_core.data.keys import to_hex
from influence_core.errors import CancelledError
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.groups import behind
from influence_core.workflow.explain.groups.behind import COLUMNS, rows_behind
from influence_core.workflow.explain.items import find_item, misclassified
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    made = project(tmp_path_factory.mktemp("home") / "tiny", n=90)
    train(made, TrainOptions(members=2, width=16, epochs=1))
    return open_session(type(made).open(made.root))


def one_by_one(session, split, most, rows):
    """(key, errors, mean rank, worst error) of rows that come back, by `explain` alone."""
    seen = defaultdict(list)
    wrong = misclassified(session, split)["key"].tolist()[:most]
    options = ExplainOptions(estimator=session.estimator(many=True, quick=True), k=rows)
    for error in wrong:
        listed = explain(session, find_item(session, split, error), options).helpful
        for key, rank in zip(listed["key"].tolist(), listed["rank"].tolist(), strict=True):
            seen[key].append((error, rank))
    found = [
        (key, len(ranks), sum(r for _, r in ranks) / len(ranks), ranks[0][0])
        for key, ranks in seen.items()
        if len(ranks) > 1
    ]
    return sorted(found, key=lambda row: (-row[1], row[2], row[0])), len(wrong)


@pytest.mark.parametrize("split", ["test", "train"])
@pytest.mark.parametrize(("most", "rows", "lot"), [(300, 12, 32), (7, 3, 2), (300, 90, 5)])
def test_counts_are_those_of_one_explanation_after_the_other(
    session, monkeypatch, split, most, rows, lot
):
    monkeypatch.setattr(behind, "AT_A_TIME", lot)
    found = rows_behind(session, split, most=most, rows=rows)
    wanted, looked_at = one_by_one(session, split, most, rows)
    assert looked_at > 2
    assert wanted
    names = ["key", "errors", "mean_rank", "worst"]
    assert list(found.table[names].itertuples(index=False, name=None)) == wanted
    assert found.looked_at == looked_at
    assert found.wrong == len(misclassified(session, split))
    assert found.table["share"].tolist() == [errors / looked_at for _, errors, _, _ in wanted]
    assert found.counts() == {key: errors for key, errors, _, _ in wanted}
    train_split = session.project.dataset.train
    for row in found.table.itertuples():
        at = train_split.position(row.key)
        assert (row.id, row.label) == (
            train_split.ids[at],
            session.classes[train_split.labels[at]],
        ), to_hex(row.key)


def test_without_errors_there_is_nothing_behind_them(session, monkeypatch):
    none = misclassified(session, "test").head(0)
    monkeypatch.setattr(behind, "misclassified", lambda *_: none)
    found = rows_behind(session, "test")
    assert (found.looked_at, found.wrong, len(found.table)) == (0, 0, 0)
    assert list(found.table.columns) == list(COLUMNS)


def test_it_says_how_far_it_is_and_stops(session, monkeypatch):
    monkeypatch.setattr(behind, "AT_A_TIME", 2)
    heard, stop = [], threading.Event()

    def tell(event):
        heard.append((event.done, event.total))
        stop.set()

    with pytest.raises(CancelledError):
        rows_behind(session, "test", most=5, progress=tell, cancel=stop)
    assert heard == [(2, 5)]
