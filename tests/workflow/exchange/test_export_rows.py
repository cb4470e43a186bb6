import base64
import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from kept_pictures import encoded, ramp
from tiny import png, project

from influence_core.data.build import build_dataset
from influence_core.data.images import open_image
from influence_core.errors import DataError
from influence_core.store.project import Project
from influence_core.store.reviews.events import Action, Decision
from influence_core.store.reviews.store import open_reviews
from influence_core.workflow.exchange.export_rows import decided_rows, export_decisions
from influence_core.workflow.exchange.formats import EXCLUDE, UNSURE
from influence_core.workflow.exchange.import_decisions import (
    FORMATS,
    apply_decisions,
    read_decisions,
)
from influence_core.workflow.exchange.label_studio import data_uri
from influence_core.workflow.exchange.standing import standing_decisions

NASTY = 'a "quote", a ; and\na new line, <b>=1+1</b> ü'


@pytest.fixture
def made(tmp_path):
    return project(tmp_path / "home" / "tiny", n=12)


def pictures(root):
    parts = {
        name: {
            "image": [png(20 * i + 7 * len(name)) for i in range(4)],
            "label": [0, 1, 0, 1],
            "id": [f"{name}-{i}" for i in range(4)],
        }
        for name in ("train", "test")
    }
    return Project.create(root, "Pictures", build_dataset(parts, ["cat", 'd"og']), "vgg:none")


def review(project):
    """Two reviewers, every verdict."""
    train, classes = project.dataset.train, project.dataset.classes

    def word(position, verdict, note=""):
        given = int(train.labels[position])
        new = classes[1 - given] if verdict == "relabel" else None
        key, content = int(train.keys[position]), int(train.content_hashes[position])
        return Decision(key, content, verdict, classes[given], new, note)

    store = open_reviews(project)
    ann = [word(0, "relabel", NASTY), word(1, "keep"), word(2, "exclude"), word(3, "unsure", "?")]
    store.append(Action("ann", ann, project.fingerprint, run="r1"))
    store.append(Action("bob", [word(1, "relabel"), word(3, "keep")], project.fingerprint))
    store.close()


def words(project):
    store = open_reviews(project)
    found = {(event.reviewer, event.decision) for event in standing_decisions(store)}
    store.close()
    return found


def scores(project):
    """Of a queue that starts with the last row."""
    n = len(project.dataset.train)
    return pd.DataFrame(
        {
            "position": range(n),
            "suggested": [0] * n,
            "p_suggested": [0.75] * n,
            "suspicion_rank": range(n)[::-1],
        }
    )


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "PPM", "TGA"])
def test_a_picture_is_sent_as_a_browser_shows_it(form):
    data = encoded(ramp(), form)
    kind, _, coded = data_uri(data).partition(";base64,")
    sent = base64.b64decode(coded)
    assert kind == f"data:image/{'jpeg' if form == 'JPEG' else 'png'}"
    assert (sent == data) == (form in ("PNG", "JPEG"))
    assert np.array_equal(np.asarray(open_image(sent)), np.asarray(open_image(data)))
    assert data_uri(b"words") == "data:image/png;base64,d29yZHM="


@pytest.mark.parametrize("form", list(FORMATS))
@pytest.mark.parametrize("kind", [project, pictures])
def test_what_goes_out_comes_back_as_it_was(tmp_path, form, kind):
    made = kind(tmp_path / "home" / "p")
    review(made)
    before = words(made)
    assert len(before) == 6
    path = tmp_path / "out.file"
    assert export_decisions(made, path, form, scores=scores(made)) == 4
    (made.root / "reviews.db").unlink()
    found = read_decisions(made, path, form)
    assert not found.problems
    assert apply_decisions(made, found, "nobody") == 6
    assert words(made) == before


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_decisions_about_vanished_rows_go_out_too(made, tmp_path, form):
    review(made)
    store = open_reviews(made)
    store.append(Action("ann", [Decision(77, 5, "exclude", "bad")], "f"))
    store.close()
    path = tmp_path / "out"
    assert export_decisions(made, path, form) == 5
    assert f"{77:016x}" in path.read_text()
    found = read_decisions(made, path, form)
    assert len(found.problems) == 1
    assert "no training row has the key" in found.problems[0]


def test_undecided_rows_follow_in_the_order_of_the_queue(made):
    review(made)
    rows = decided_rows(made, scores(made), undecided=3)
    assert [row.id for row in rows] == [f"train-{i}" for i in (3, 2, 1, 0, 11, 10, 9)]
    assert [bool(row.decided) for row in rows] == [True] * 4 + [False] * 3
    assert [row.id for row in decided_rows(made)] == [f"train-{i}" for i in range(4)]


def test_undecided_rows_without_scores_are_refused(made, tmp_path):
    with pytest.raises(DataError, match="train a run"):
        export_decisions(made, tmp_path / "out", undecided=5)


def test_label_studio_gets_what_its_import_asks_for(made, tmp_path):
    review(made)
    path = tmp_path / "tasks.json"
    export_decisions(made, path, "label-studio", scores=scores(made), undecided=1)
    tasks = json.loads(path.read_text("utf-8"))
    config = ElementTree.fromstring((tmp_path / "tasks.json.xml").read_text("utf-8"))
    boxes = {e.get("name"): e for e in config.iter() if e.get("toName")}
    (shown,) = [e for e in config.iter() if e.get("value", "").startswith("$")]
    allowed = {e.get("value") for e in boxes["label"].iter("Choice")}
    assert allowed == {*made.dataset.classes, EXCLUDE, UNSURE}
    for task in tasks:
        assert shown.get("value")[1:] in task["data"]
        # Label Studio refuses a file with people it does not know.
        assert all("completed_by" not in a for a in task["annotations"])
        for part in task["annotations"] + task["predictions"]:
            for result in part["result"]:
                assert result["from_name"] in boxes
                assert result["to_name"] == shown.get("name")
                assert set(result["value"].get("choices", [])) <= allowed
    assert tasks[-1]["annotations"] == []
    assert tasks[-1]["predictions"][0]["score"] == 0.75


def test_label_studios_own_export_is_read(made, tmp_path):
    key = f"{int(made.dataset.train.keys[0]):016x}"
    given = made.dataset.classes[made.dataset.train.labels[0]]

    def annotation(choice, **more):
        result = {"id": "x", "from_name": "label", "to_name": "text", "type": "choices"}
        return {"id": 1, "result": [{**result, "value": {"choices": [choice]}}], **more}

    tasks = [
        {
            "id": 9,
            "data": {"text": "…", "key": key},
            "annotations": [
                annotation(given, completed_by=3, was_cancelled=False),
                annotation(given, completed_by={"id": 4, "email": "a@b.c"}, was_cancelled=True),
                {"result": [], "completed_by": 5, "was_cancelled": False},
            ],
        }
    ]
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks))
    found = read_decisions(made, path, "label-studio")
    assert found.problems == ["task 1: no label was chosen."]
    assert {who: made[0].verdict for who, made in found.by_reviewer.items()} == {
        "label-studio 3": "keep",
        "a@b.c": "unsure",
    }


def test_argilla_gets_what_its_records_are_made_of(made, tmp_path):
    review(made)
    path = tmp_path / "records.json"
    export_decisions(made, path, "argilla", scores=scores(made), undecided=1)
    records = json.loads(path.read_text("utf-8"))
    for record in records:
        assert set(record) == {"id", "fields", "metadata", "suggestions", "responses", "vectors"}
        assert record["suggestions"]["label"]["agent"] == "turnover"
        for question, answers in record["responses"].items():
            assert question in {"label", "note"}
            for answer in answers:
                # rg.Response takes these three, and no empty value.
                assert set(answer) == {"value", "user_id", "status"}
                assert answer["value"]
    assert len({record["id"] for record in records}) == len(records)
    assert records[-1]["responses"] == {}
    compile((tmp_path / "records.json.py").read_text("utf-8"), "settings", "exec")


def test_argillas_own_export_is_read_drafts_apart(made, tmp_path):
    train = made.dataset.train
    given, other = (made.dataset.classes[c] for c in (train.labels[0], 1 - train.labels[0]))
    user = "11111111-2222-3333-4444-555555555555"

    def answer(value, status, who=user):
        return {"value": value, "user_id": who, "status": status}

    record = {
        "id": f"{int(train.keys[0]):016x}",
        "fields": {"text": "…"},
        "metadata": {},
        "responses": {
            "label": [
                answer(other, "submitted"),
                answer(given, "draft", "d"),
                answer(given, "discarded", "e"),
            ],
            "note": [answer("why", "submitted")],
        },
    }
    path = tmp_path / "export.json"
    path.write_text(json.dumps([record]))
    found = read_decisions(made, path, "argilla")
    assert not found.problems
    first = found.by_reviewer[f"argilla {user}"][0]
    assert (first.verdict, first.new_label, first.note) == ("relabel", other, "why")
    assert found.by_reviewer["argilla e"][0].verdict == "unsure"
    assert "argilla d" not in found.by_reviewer
    # Under the same name it goes out again as the same user.
    apply_decisions(made, found, "ann")
    export_decisions(made, tmp_path / "again.json", "argilla")
    again = json.loads((tmp_path / "again.json").read_text())
    assert user in {a["user_id"] for a in again[0]["responses"]["label"]}
