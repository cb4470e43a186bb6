"""Files of decisions as people bring them: spoiled by spreadsheets and tools, half filled in."""

import json

import pandas as pd
import pytest

from influence_core.errors import DataError
from influence_core.workflow.exchange.import_decisions import read_decisions
from influence_core.workflow.projects.create import NewProject, create

HEAD = "key,id,verdict,new_label,note\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Ids with zeros in front, and classes that a spreadsheet takes for numbers and dates."""
    folder = tmp_path_factory.mktemp("decisions")
    lines = [f"{i:04},The music of film {i} was fine.,{('1-2', '03')[i % 2]}" for i in range(40)]
    (folder / "src.csv").write_text("id,text,label\n" + "\n".join(lines) + "\n")
    return create(NewProject(str(folder / "src.csv")), folder / "home")


def row(made, given):
    """Key and id of the first training row with this label."""
    train = made.dataset.train
    at = train.labels.tolist().index(made.dataset.classes.index(given))
    return f"{int(train.keys[at]):016x}", train.ids[at]


def found(decisions):
    return [(d.verdict, d.new_label) for each in decisions.by_reviewer.values() for d in each]


RELABEL, KEEP = [("relabel", "03")], [("keep", None)]
TABLES = {
    # name: (text, codec, what is decided, what the problem or note says)
    "excel_semicolon_bom": ("key;id;verdict;new_label;note\n{key};{id};relabel;03;ü\n",
                            "utf-8-sig", RELABEL, ""),
    "excel_cp1252": ("key;id;verdict;new_label;note\n{key};{id};keep;;für\n", "cp1252", KEEP, ""),
    "utf16": (HEAD + "{key},{id},keep,,\n", "utf-16", KEEP, ""),
    "excel_id_lost_zero": (HEAD + ",{number},relabel,03,\n", "utf-8", [],
                           "spreadsheet may have made of '{id}'"),
    "excel_key_sci": (HEAD + "1.23457E+15,{id},relabel,03,\n", "utf-8", RELABEL,
                      "the row of the id '{id}' is taken"),
    "excel_label_as_date": (HEAD + "{key},{id},relabel,02-Jan,\n", "utf-8", [],
                            "spreadsheet may have made of '1-2'"),
    "excel_label_lost_zero": (HEAD + "{key},{id},relabel,3,\n", "utf-8", [],
                              "spreadsheet may have made of '03'"),
    "undecided_rows_left_blank": (HEAD + "{key},{id},keep,,\n{other},,,,\n", "utf-8", KEEP, ""),
    "verdict_words": (HEAD + "{key},{id},Relabel ,03 ,\n{other},,remove,,\n", "utf-8",
                      [*RELABEL, ("exclude", None)], ""),
    "verdict_that_is_none": (HEAD + "{key},{id},ok,,\n", "utf-8", [], "'ok' is not a verdict"),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_decisions(made, tmp_path, name):
    text, codec, decided, words = TABLES[name]
    key, ident = row(made, "1-2")
    facts = {"key": key, "id": ident, "number": int(ident), "other": row(made, "03")[0]}
    (tmp_path / "d.csv").write_bytes(text.format(**facts).encode(codec))
    decisions = read_decisions(made, tmp_path / "d.csv")
    assert found(decisions) == decided
    assert words.format(**facts) in " ".join([*decisions.problems, *decisions.notes])
    assert bool(decisions.problems) == (not decided)


def test_the_list_of_labels_with_a_verdict_is_taken_as_it_is(made, tmp_path):
    key, ident = row(made, "1-2")
    listed = {"key": [key], "id": [ident], "given": ["1-2"], "suggested": ["03"], "flagged": [True]}
    pd.DataFrame(listed).to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(DataError, match="decisions need 'verdict'"):
        read_decisions(made, tmp_path / "labels.csv")
    pd.DataFrame({**listed, "verdict": ["relabel"]}).to_csv(tmp_path / "d.csv", index=False)
    assert found(read_decisions(made, tmp_path / "d.csv")) == RELABEL


def task(answers, data, **more):
    """One record of Label Studio; an answer is the choices of one annotator."""
    annotations = [
        {"id": 1, "completed_by": who, **more, "result": [
            {"from_name": "label", "to_name": "text", "type": "choices",
             "value": {"choices": choices}}]}
        for who, choices in answers
    ]  # fmt: skip
    return [{"id": 77, "data": {"text": "x", **data}, "annotations": annotations}]


STUDIO = {
    "ls_lower_case": ([(1, ["03 "])], {}, RELABEL, ""),
    "ls_two_annotators": ([(1, ["03"]), (2, ["03"])], {}, RELABEL * 2, ""),
    "ls_multi_choice": ([(1, ["03", "1-2"])], {}, [], "has several labels, 03, 1-2; keep one"),
    "ls_no_answer": ([(1, [])], {}, [], "no label was chosen"),
    "ls_skipped": ([(1, [])], {"was_cancelled": True}, [("unsure", None)], ""),
    "ls_same_annotator_twice": ([(1, ["03"]), (1, ["1-2"])], {}, RELABEL, "keep one of the two"),
}


@pytest.mark.parametrize("name", STUDIO)
def test_an_export_of_label_studio(made, tmp_path, name):
    answers, more, decided, words = STUDIO[name]
    key, ident = row(made, "1-2")
    path = tmp_path / "d.json"
    path.write_text(json.dumps(task(answers, {"key": key, "id": ident}, **more)))
    decisions = read_decisions(made, path, "label-studio")
    assert found(decisions) == decided
    assert words in " ".join(decisions.problems)


def test_records_that_name_no_row_or_hold_no_decision(made, tmp_path):
    path = tmp_path / "d.json"
    path.write_text(json.dumps(task([(1, ["03"])], {})))
    (problem,) = read_decisions(made, path, "label-studio").problems
    assert "neither a key nor an id" in problem
    for content, words in (
        (task([], {}), "holds no decision"),  # predictions only
        ({"tasks": []}, "is not a list of Label Studio records"),
        ([{"text": "x", "label": "03", "annotator": 1}], "holds no decision"),  # JSON-MIN
    ):
        path.write_text(json.dumps(content))
        with pytest.raises(DataError, match=words):
            read_decisions(made, path, "label-studio")
