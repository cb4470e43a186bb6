import numpy as np
import pytest
import torch
from tiny import project

from influence_core.errors import DataError
from influence_core.store.reviews.events import Action, Decision
from influence_core.store.reviews.store import open_reviews
from influence_core.workflow.review.choice import Choice
from influence_core.workflow.review.desk import open_desk
from influence_core.workflow.review.evidence import likely_labels
from influence_core.workflow.review.queue import STATES, QueueFilter
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train

ALL = QueueFilter(state="all")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    made = project(tmp_path_factory.mktemp("home") / "tiny", n=90)
    train(made, TrainOptions(members=4, width=64, epochs=4))
    return open_session(type(made).open(made.root))


@pytest.fixture
def desk(session):
    (session.project.root / "reviews.db").unlink(missing_ok=True)
    opened = open_desk(session)
    yield opened
    opened.reviews.close()


def test_the_queue_holds_every_row_once_most_suspicious_first(desk):
    queue = desk.queue(ALL)
    assert sorted(queue) == list(range(90))
    ranks = desk.scores["suspicion_rank"].to_numpy()[queue]
    assert (np.diff(ranks) > 0).all()


@pytest.mark.parametrize(
    "wanted",
    [
        QueueFilter(state="all", given="good"),
        QueueFilter(state="all", suggested="bad"),
        QueueFilter(state="all", low=0.3, high=0.7),
        QueueFilter(state="all", text="LOVELY"),
        QueueFilter(state="all", flagged=True),
        QueueFilter(given="good", suggested="bad", text="film"),
    ],
)
def test_filters_keep_exactly_the_rows_that_a_loop_keeps(desk, session, wanted):
    texts = session.project.dataset.train.texts()
    kept = []
    for position in desk.order:
        row = desk.scores.iloc[position]
        kept += [position] * bool(
            (not wanted.given or desk.classes[row["given"]] == wanted.given)
            and (not wanted.suggested or desk.classes[row["suggested"]] == wanted.suggested)
            and wanted.low <= row["p_given"] <= wanted.high
            and wanted.text.lower() in texts[position].lower()
            and (not wanted.flagged or row["flagged"])
        )
    np.testing.assert_array_equal(desk.queue(wanted), kept)


def test_counts_beside_a_choice_are_what_choosing_it_would_leave(desk):
    desk.decide("ann", [Choice(3, "keep"), Choice(4, "exclude")])
    wanted = QueueFilter(given="good", low=0.1)
    facets = desk.facets(wanted)
    for state in STATES:
        there = desk.queue(QueueFilter(given="good", low=0.1, state=state))
        assert facets["state"][state] == len(there)
    for name in desk.classes:
        assert facets["given"][name] == len(desk.queue(QueueFilter(given=name, low=0.1)))
        wanted_too = QueueFilter(given="good", suggested=name, low=0.1)
        assert facets["suggested"][name] == len(desk.queue(wanted_too))
    assert facets["flagged"]["flagged"] == len(
        desk.queue(QueueFilter(given="good", low=0.1, flagged=True))
    )


def test_an_unknown_class_is_named(desk):
    with pytest.raises(DataError, match="'ugly'"):
        desk.queue(QueueFilter(given="ugly"))
    with pytest.raises(DataError, match="'ugly'"):
        desk.decide("ann", [Choice(0, "relabel", "ugly")])


def test_evidence_is_the_nearest_rows_of_either_label_and_never_the_row_itself(desk, session):
    positions = [int(p) for p in desk.order[:5]]
    x = session.features.rows(torch.arange(90))
    unit = (x / x.norm(dim=1, keepdim=True)).double().numpy()
    labels = desk.scores["given"].to_numpy()
    for found in desk.evidence(positions, k=4):
        given = int(labels[found.position])
        assert found.alternative != given
        cosine = unit @ unit[found.position]
        cosine[found.position] = -2.0
        for label, side in ((given, found.given), (found.alternative, found.other)):
            assert side.label == label
            slow = np.where(labels == label, cosine, -2.0)
            np.testing.assert_allclose(side.similarity, np.sort(slow)[::-1][:4], atol=1e-5)
            np.testing.assert_allclose(slow[side.positions], side.similarity, atol=1e-5)
        ten = labels[np.argsort(-cosine)[:10]]
        assert found.near.total == 10
        assert found.near.of(given) == (ten == given).sum()
        assert found.near.sentence(desk.classes).startswith("10 nearest: ")


def test_evidence_asked_for_together_equals_one_by_one(desk, session):
    together = desk.evidence([1, 2, 3])
    for found in together:
        (alone,) = open_desk(session).evidence([found.position])
        np.testing.assert_array_equal(found.given.positions, alone.given.positions)
        np.testing.assert_array_equal(found.other.positions, alone.other.positions)


def test_the_alternative_is_the_most_probable_other_class(desk, session):
    positions = [0, 5, 9]
    found = [row[0][0] for row in likely_labels(session, desk.scores, positions)]
    for position, label in zip(positions, found, strict=True):
        flipped = session.evidence.flipped[position].numpy()
        others = [c for c in range(2) if c != desk.scores["given"][position]]
        assert label == max(others, key=lambda c: flipped[c])


def test_suggestions_that_were_judged_are_counted_and_how_many_were_taken(desk):
    given, suggested = (desk.scores[name].to_numpy() for name in ("given", "suggested"))
    doubted = np.flatnonzero(given != suggested)[:3].tolist()
    sure = int(np.flatnonzero(given == suggested)[0])
    assert len(doubted) == 3
    first, second, third = doubted
    accept = [Choice(place, "relabel", desk.classes[suggested[place]]) for place in (first, second)]
    desk.decide("cy", [*accept, Choice(third, "keep"), Choice(sure, "keep")])
    assert desk.accepted("cy") == (2, 3)
    assert desk.accepted("dee") == (0, 0)
    desk.decide("cy", [Choice(second, "unsure")])
    assert desk.accepted("cy") == (1, 2)
    desk.decide("cy", [Choice(second, "exclude")])
    assert desk.accepted("cy", last=1) == (0, 1)
    for _ in range(3):
        desk.undo("cy")
    assert desk.accepted("cy") == (0, 0)


def test_a_decision_counts_at_once_and_undo_takes_it_back_step_by_step(desk):
    assert desk.decide("ann", [Choice(7, "relabel", _other(desk, 7), "clearly")]) == 1
    assert desk.decide("ann", [Choice(8, "keep"), Choice(9, "unsure")]) == 2
    assert desk.outcomes()[[7, 8, 9]].tolist() == ["relabel", "keep", "unsure"]
    assert desk.words(7)["ann"].decision.note == "clearly"
    assert len(desk.undoable("ann")) == 2
    assert sorted(desk.undo("ann")) == [8, 9]
    assert desk.outcomes()[[7, 8, 9]].tolist() == ["relabel", "", ""]
    assert desk.undo("bob") == []
    assert desk.undo("ann") == [7]
    assert desk.undo("ann") == []
    assert not desk.outcomes().any()


def test_a_named_step_is_undone_even_if_it_is_not_the_last(desk):
    desk.decide("ann", [Choice(1, "keep")], "first")
    desk.decide("ann", [Choice(2, "keep")], "second")
    assert desk.undo("ann", "u1", of="first") == [1]
    assert desk.undo("ann", "u1", of="first") == []
    assert desk.outcomes()[[1, 2]].tolist() == ["", "keep"]


def test_sending_a_decision_twice_writes_it_once(desk):
    choice = [Choice(7, "exclude")]
    assert desk.decide("ann", choice, "same") == 1
    assert desk.decide("ann", choice, "same") == 0
    assert len(desk.undoable("ann")) == 1


def test_what_another_reviewer_decides_is_seen_and_disputes_show(desk, session):
    key = int(session.project.dataset.train.keys[5])
    hashed = int(session.project.dataset.train.content_hashes[5])
    desk.decide("ann", [Choice(5, "keep")])
    other = open_reviews(session.project)
    other.append(Action("bob", [Decision(key, hashed, "exclude", "bad")], "f"))
    other.close()
    assert desk.refresh()
    assert set(desk.words(5)) == {"ann", "bob"}
    assert desk.queue(QueueFilter(state="disputed")).tolist() == [5]
    assert desk.progress().disputed == 1
    # Nobody's word counts there, so the row is still to be decided.
    assert 5 in desk.queue(QueueFilter(state="undecided"))


def test_a_decision_about_other_content_or_a_vanished_row_does_not_count(desk, session):
    key = int(session.project.dataset.train.keys[5])
    desk.reviews.append(
        Action("ann", [Decision(key, 1, "exclude", "bad"), Decision(99, 1, "keep", "bad")], "f")
    )
    desk.refresh()
    assert not desk.outcomes().any()
    assert desk.progress().decided == 0


def test_bulk_relabels_to_each_suggestion_and_leaves_out_what_has_it_already(desk):
    positions = desk.queue(ALL).tolist()
    choices = desk.bulk(positions, "accept", note="batch")
    differ = desk.scores["given"].to_numpy() != desk.scores["suggested"].to_numpy()
    assert {c.position for c in choices} == set(np.flatnonzero(differ).tolist())
    for choice in choices:
        assert choice.new_label == desk.classes[desk.scores["suggested"][choice.position]]
    good = desk.bulk(positions, "relabel", "good")
    assert {c.position for c in good} == set(np.flatnonzero(desk.scores["given"] == 0).tolist())
    assert len(desk.bulk(positions, "keep")) == 90
    desk.decide("ann", desk.bulk(positions, "keep"))
    assert len(desk.undoable("ann")) == 1
    assert len(desk.undo("ann")) == 90


def test_progress_counts_per_class(desk):
    desk.decide("ann", [Choice(0, "exclude"), Choice(1, "keep"), Choice(2, "unsure")])
    progress = desk.progress()
    assert (progress.total, progress.decided, progress.wrong) == (90, 3, 1)
    table = progress.by_class.set_index("class")
    assert table["decided"].sum() == 3
    assert table["rows"].sum() == 90
    assert table["wrong"][desk.classes[desk.scores["given"][0]]] == 1


def _other(desk, position):
    return desk.classes[1 - desk.scores["given"][position]]


def test_what_was_found_stands_in_the_order_of_decisions(desk):
    desk.decide("ann", [Choice(9, "exclude")])
    desk.decide("ann", [Choice(2, "keep")])
    desk.decide("ann", [Choice(5, "unsure")])
    desk.decide("ann", [Choice(1, "relabel", _other(desk, 1))])
    assert desk.found() == [True, False, True]
    desk.undo("ann")
    assert desk.found() == [True, False]


def test_flags_follow_the_estimate_once_enough_is_decided(desk):
    assert desk.skill.learned
    before = int(desk.scores["flagged"].sum())
    assert before <= desk.skill.wrong
    desk.decide("ann", [Choice(int(p), "keep") for p in desk.order[:30]])
    undecided = desk.outcomes() == ""
    objects = undecided & (desk.scores["given"] != desk.scores["suggested"]).to_numpy()
    expected = min(round(desk.advice().left), int(objects.sum()))
    assert int(desk.scores["flagged"][undecided].sum()) == expected
