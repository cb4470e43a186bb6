"""A project's figures: right, kept while nothing changes, and never a traceback."""

import shutil

import numpy as np
import pytest
from tiny import project

from influence_core.installed import sample_root
from influence_core.store.reviews.events import Action, Decision
from influence_core.store.reviews.store import open_reviews
from influence_core.store.samples import install_samples
from influence_core.workflow.cleanse.decided import decided_edits
from influence_core.workflow.projects import overview as module
from influence_core.workflow.projects.overview import overview, overviews
from influence_core.workflow.review.desk import open_desk
from influence_core.workflow.review.scores import flagged_keys
from influence_core.workflow.session import open_session


@pytest.fixture
def home(tmp_path):
    install_samples(tmp_path / "projects", sample_root())
    return tmp_path / "projects"


def _decide(made, keys, changed=0):
    store = open_reviews(made)
    train = made.dataset.train
    hashes = train.content_hashes[train.positions_of(np.array(list(keys), np.uint64))].tolist()
    decisions = [
        Decision(int(key), hashed + changed, "keep", None)
        for key, hashed in zip(keys, hashes, strict=True)
    ]
    store.append(Action("ann", decisions, made.fingerprint))
    store.close()


def test_samples_say_what_they_hold(home):
    cards = {card.folder: card for card in overviews(home)}
    assert set(cards) == {"fashion", "reviews"}
    for card in cards.values():
        run = module.Project.open(home / card.folder).latest_run()
        rows = run.table("rows")
        assert card.rows["train"] == len(rows)
        assert card.accuracy == run.record.metrics["test_accuracy"]
        assert 0 < card.suspicious < int((rows["label"] != rows["flipped_predicted"]).sum())
        assert card.open == card.suspicious
        assert card.problem == ""


def test_decisions_close_suspicious_rows_and_only_those(home):
    made = module.Project.open(home / "reviews")
    rows = made.latest_run().table("rows")
    doubted = rows["key"].isin(flagged_keys(made.latest_run()))
    before = overview(made.root)
    _decide(made, [*rows.loc[doubted, "key"][:3], *rows.loc[~doubted, "key"][:2]])
    after = overview(made.root)
    assert after.decided == 5
    assert after.open == before.open - 3
    assert after.suspicious == before.suspicious


def test_decisions_about_changed_content_count_here_as_little_as_on_the_desk(home):
    made = module.Project.open(home / "reviews")
    keys = made.latest_run().table("rows")["key"]
    _decide(made, keys[:4], changed=1)
    _decide(made, keys[4:6])
    session = open_session(made)
    desk = open_desk(session)
    assert overview(made.root).decided == int((desk.outcomes() != "").sum()) == 2
    desk.reviews.close()
    assert len(decided_edits(made)[1]) == 2


def test_a_project_without_a_run_has_no_figures_of_one(tmp_path):
    card = overview(project(tmp_path / "tiny", n=30).root)
    assert card.rows == {"train": 30, "valid": 10, "test": 10}
    assert (card.last, card.accuracy, card.suspicious, card.open) == (None, None, None, None)
    assert not (tmp_path / "tiny" / "reviews.db").exists()


def test_the_card_counts_the_flags_that_the_labels_page_shows(home):
    desk = open_desk(open_session(module.Project.open(home / "fashion")))
    assert overview(home / "fashion").suspicious == int(desk.scores["flagged"].sum())
    desk.reviews.close()


@pytest.mark.parametrize("damage", ["project.toml", "data/dataset.json", "rows"])
def test_a_damaged_project_is_one_sentence_beside_the_others(home, damage):
    path = home / "reviews" / damage
    if damage == "rows":
        path = module.Project.open(home / "reviews").latest_run().folder / "rows.parquet"
    overviews(home)
    path.write_bytes(path.read_bytes()[:40])
    cards = {card.folder: card for card in overviews(home)}
    assert str(path.name) in cards["reviews"].problem
    assert cards["reviews"].problem.endswith(".")
    assert cards["fashion"].problem == ""


def test_a_new_and_a_vanished_project_are_seen_at_once(home):
    overviews(home)
    shutil.copytree(home / "reviews", home / "other")
    assert [card.folder for card in overviews(home)] == ["fashion", "other", "reviews"]
    shutil.rmtree(home / "other")
    assert [card.folder for card in overviews(home)] == ["fashion", "reviews"]
