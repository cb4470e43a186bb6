"""Everything that pages and verbs read of a run, in one go."""

import numpy as np
from tiny import project

from influence_core.errors import TurnoverError
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item, misclassified
from influence_core.workflow.projects.overview import overview
from influence_core.workflow.review.scores import label_table
from influence_core.workflow.session import open_session
from influence_core.workflow.train.audit_report import audit_report
from influence_core.workflow.train.curves import learning_curves
from influence_core.workflow.train.head import TrainOptions, train
from influence_core.workflow.train.runs.compare import compare_runs


def trained(folder):
    """A project with a small head run whose labels are scored."""
    made = project(folder, n=24)
    run = train(made, TrainOptions(members=2, width=8, epochs=2, device="cpu"))
    session = open_session(made, run.id, "cpu")
    label_table(session)
    return type(made).open(made.root), run.id


def used(made, run_id):
    """Read it all; every part may refuse in a sentence, and what is said is returned."""
    parts = [
        lambda: overview(made.root),
        lambda: made.run(run_id).record.trained,
        lambda: learning_curves(made.run(run_id)),
        lambda: audit_report(made, run_id),
        lambda: compare_runs(made, run_id, run_id, "test"),
        lambda: _asked(open_session(made, run_id, "cpu")),
    ]
    said = []
    for part in parts:
        try:
            part()
        except TurnoverError as error:
            assert str(error)
            said.append(str(error))
    return said


def _asked(session):
    """Questions to an opened run."""
    parts = [
        lambda: session.training,
        lambda: misclassified(session, "test"),
        lambda: label_table(session),
        lambda: _explained(session, "turnover"),
        lambda: _explained(session, "flipped-ridge"),
    ]
    for part in parts:
        try:
            part()
        except TurnoverError as error:
            assert str(error)


def _explained(session, estimator):
    key = int(session.project.dataset.split("test").keys[0])
    answer = explain(session, find_item(session, "test", key), ExplainOptions(estimator))
    assert np.isfinite(answer.helpful["influence"]).all()
