"""A sentence or picture of one's own: explained, compared, verified, and as the encoder sees it."""

import io

import pytest
from browser import chromium, needs_chromium, server, settled
from PIL import Image, ImageDraw
from playwright.sync_api import expect
from tiny import project

from influence_core.workflow.train.head import TrainOptions, train

pytestmark = [pytest.mark.browser, needs_chromium]


def test_a_sentence_is_compared_and_verified(tmp_path):
    home = tmp_path / "home"
    train(project(home / "tiny", n=60), TrainOptions(members=2, width=16, epochs=3))
    with server(home) as url, chromium() as page:
        page.goto(f"{url}/?project=tiny")
        page.get_by_text("sentence of your own").click()
        page.locator(".st-key-own_text textarea").fill("a lovely warm film")
        page.locator(".st-key-own_go button").click()
        page.locator(".st-key-helpful_1").wait_for()
        settled(page)
        page.get_by_role("button", name="Compare").first.click()
        yours = page.locator(".st-key-compare_item")
        expect(yours).to_contain_text("a lovely warm film")
        expect(page.locator(".st-key-compare_row")).to_contain_text("Pushed toward")
        page.get_by_role("button", name="Back to the rows").click()
        page.locator(".st-key-proof_go button").first.click()
        page.locator(".st-key-proof_chart").wait_for()
        expect(page.get_by_text("of 10 retrainings").first).to_be_visible()
        assert page.outside == []


def test_a_picture_stands_beside_what_the_encoder_sees_of_it(tmp_path):
    shirt = Image.new("RGB", (300, 420), "white")
    ImageDraw.Draw(shirt).rectangle((90, 120, 210, 340), fill="navy")
    held = io.BytesIO()
    shirt.save(held, "PNG")
    with server(tmp_path / "home") as url, chromium() as page:
        page.goto(f"{url}/?project=fashion")
        page.get_by_text("image of your own").click()
        with page.expect_response(lambda reply: "upload_file" in reply.url and reply.ok):
            page.locator(".st-key-own_image input[type=file]").set_input_files(
                {"name": "mine.png", "mimeType": "image/png", "buffer": held.getvalue()}
            )
        settled(page)
        page.locator(".st-key-own_go button").click()
        page.locator(".st-key-helpful_1").wait_for()
        expect(page.get_by_role("img", name="Your image as the encoder sees it")).to_be_visible()
        expect(page.get_by_text("Its most similar training row is")).to_be_visible()
        page.get_by_role("button", name="Compare").first.click()
        expect(page.locator(".st-key-compare_item img")).to_be_visible()
        expect(page.locator(".st-key-compare_row")).to_contain_text("Pushed toward")
