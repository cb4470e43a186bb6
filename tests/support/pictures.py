"""`make pictures`: one picture of every page for the README, from the running app.

Written to docs/pictures, with few colours so that they stay small. Needs Chromium, like the browser
tests, and nothing else: the samples are what is shown.
"""

import io
import tempfile
from pathlib import Path

from browser import ROOT, chromium, server, settled
from PIL import Image

OUT = ROOT / "docs" / "pictures"
SIZE = {"width": 1280, "height": 860}


def keep(page, name):
    """What is on screen, as a PNG of 128 colours."""
    settled(page)
    page.wait_for_timeout(1500)  # charts draw after the script has ended
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    OUT.mkdir(parents=True, exist_ok=True)
    picture.quantize(128).save(OUT / f"{name}.png", optimize=True)


def main():
    with (
        tempfile.TemporaryDirectory() as folder,
        server(Path(folder) / "home") as url,
        chromium() as page,
    ):
        page.set_viewport_size(SIZE)
        for name, place in (
            ("projects", "home"),
            ("errors", "?project=fashion"),
            ("labels", "triage?project=fashion"),
            ("cleanse", "cleansing?project=reviews"),
            ("trust", "evaluation?project=reviews"),
            ("runs", "history?project=fashion"),
        ):
            page.goto(f"{url}/{place}")
            page.locator("h3").first.wait_for()
            page.wait_for_timeout(2500)
            hide = page.get_by_role("button", name="Got it")
            if hide.count():
                hide.first.click()
            if name == "cleanse":
                page.get_by_role("button", name="Find harmful rows").click()
                page.get_by_text("What would change:").wait_for()
            if name == "trust":  # what an evaluation with the page's own settings finds
                page.set_default_timeout(600_000)
                page.get_by_role("button", name="Evaluate now").click()
                page.get_by_text("Isolation: passed").wait_for()
            keep(page, name)
        page.goto(f"{url}/?project=reviews")
        page.get_by_text("Map of the training data").wait_for()
        settled(page)
        page.get_by_role("button", name="Explain").first.click()
        page.locator(".st-key-harmful_1").wait_for()
        keep(page, "explained")


if __name__ == "__main__":
    main()
