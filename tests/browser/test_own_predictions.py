"""Predictions of the user's own: three uploads show their model's mistakes, without a training."""

import numpy as np
import pandas as pd
import pytest
from browser import chromium, needs_chromium, server, settled
from own_project import cells
from playwright.sync_api import expect

from influence_core.store.project import Project

pytestmark = [pytest.mark.browser, needs_chromium]


def test_three_uploads_show_the_mistakes_of_a_model(tmp_path):
    home = tmp_path / "home"
    source, features = cells(tmp_path)
    labels = pd.read_csv(source)["label"].astype("category").cat.codes.to_numpy()
    shown = np.where(np.random.default_rng(1).random(len(labels)) < 0.8, labels, (labels + 1) % 3)
    np.save(tmp_path / "oof.npy", 0.1 + 0.7 * np.eye(3)[shown])
    with server(home) as url, chromium() as page:
        page.goto(f"{url}/home")
        page.get_by_role("button", name="New project").click()
        page.set_default_timeout(60_000)
        page.locator("input[type=file]").first.wait_for(state="attached")
        page.locator("input[type=file]").first.set_input_files(source)
        page.get_by_text("Features of your own").click()
        page.locator("[class*=st-key-wizard_features_file] input[type=file]").set_input_files(
            features
        )
        page.get_by_text("240 rows of a table: 240 train").wait_for()
        settled(page)
        page.get_by_text("Predictions of your own model").click()
        page.locator("[class*=st-key-wizard_proba_train] input[type=file]").set_input_files(
            tmp_path / "oof.npy"
        )
        page.get_by_text("Those of train are out-of-sample").click()
        page.get_by_role("button", name="Show your model").wait_for()
        settled(page)
        page.locator(".st-key-wizard_create button").click()
        page.locator(".st-key-landed").get_by_text("Your model").wait_for(timeout=300_000)
        settled(page)
        page.get_by_role("button", name="Explain").first.click()
        page.locator(".st-key-helpful_1").wait_for()
        expect(page.get_by_test_id("stException")).to_have_count(0)
        assert page.outside == []
    (run,) = Project.open(home / "cells").runs()
    assert run.called == "own model"
    assert list((home / ".uploads").iterdir()) == []
