"""The map on the Errors page, without a browser; the lasso is in tests/browser."""

import numpy as np
from errors_page import start, worst

from influence_core.disk.atomic import write_bytes
from influence_core.store.project import Project, projects_home
from influence_core.workflow.explain.map import map_path
from pages.ui.map import _hover, _inert, selected_rows


def test_selected_points_are_rows_and_old_points_are_nobody():
    rows = [np.array([7, 3, 9]), np.array([1])]
    points = [
        {"curve_number": 0, "point_index": 2},
        {"curve_number": 1, "point_index": 0},
        {"curve_number": 0, "point_index": 2},
        {"curve_number": 1, "point_index": 5},  # of a drawing that had more points
        {"curve_number": 4, "point_index": 0},
    ]
    assert selected_rows({"selection": {"points": points}}, rows) == [1, 9]
    assert selected_rows(None, rows) == []


def test_without_a_map_the_page_offers_to_make_it():
    _, wrong = worst("reviews")
    start(project="reviews")
    project = Project.open(projects_home() / "reviews")
    map_path(project, project.latest_run().record.encoder_fingerprint).unlink()
    for item in (None, f"{wrong['key'][0]:016x}"):
        test = start(project="reviews", item=item)
        test.toggle(key="map_open").set_value(True).run()
        assert not test.error
        assert not test.exception
        assert any("no map of this data yet" in i.value for i in test.info)
        assert test.button(key="errors_map_make").label == "Make the map"


def test_a_damaged_map_is_one_sentence():
    start(project="reviews")
    project = Project.open(projects_home() / "reviews")
    encoder = project.latest_run().record.encoder_fingerprint
    write_bytes(map_path(project, encoder), b"PAR1")
    test = start(project="reviews")
    test.toggle(key="map_open").set_value(True).run()
    assert any("is damaged" in e.value for e in test.error)
    assert not test.exception


def test_points_tell_their_sentence_on_hover_and_nothing_of_it_is_html():
    session, _ = worst("reviews")
    told = _hover(session, np.arange(40))
    texts = session.project.dataset.train.texts(list(range(40)))
    for line, text in zip(told, texts, strict=True):
        assert text.split()[0][:10].replace("&", "&amp;").replace("<", "&lt;") in line
        assert "<" not in line.replace("<br>", "")
    assert _inert("<b>%{x}") == "&lt;b>%\u200b{x}"
