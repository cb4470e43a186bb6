"""`make pictures`: one picture of every page for the README, and the loop as a film strip.

    python tests/support/pictures.py [NAME …]

Taken from the running app with the samples, and for the film a CSV of one's own; written to
docs/pictures, with few colours so that they stay small. Needs Chromium, like the browser tests.
With names only these are taken: those of `PAGES`, `explained`, `film`.
"""

import io
import sys
import tempfile
from pathlib import Path

from browser import ROOT, chromium, server, settled
from film import film
from PIL import Image

OUT = ROOT / "docs" / "pictures"
PAGES = {
    "projects": "home",
    "errors": "?project=fashion",
    "explore": "select?project=fashion&split=train&explore_show=Map&explore_table=Confusion",
    "labels": "triage?project=fashion",
    "map": "triage?project=fashion&view=Map",
    "cleanse": "cleansing?project=reviews",
    "trust": "evaluation?project=reviews",
    "runs": "history?project=fashion",
}
SIZE = {"width": 1440, "height": 900}
READY = """() => !document.querySelector('[data-testid=stSkeleton]')
  && [...document.images].every(image => image.complete)"""


def ready(page):
    """The script has ended, and the browser has drawn what it sent, charts and pictures too."""
    settled(page)
    page.wait_for_function(READY)
    page.wait_for_timeout(1500)


def keep(page, name):
    """What is on screen, as a PNG of 256 colours, those of small chips among them."""
    ready(page)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    OUT.mkdir(parents=True, exist_ok=True)
    picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1).save(
        OUT / f"{name}.png", optimize=True
    )


def main():
    asked = sys.argv[1:] or [*PAGES, "explained", "film"]
    with (
        tempfile.TemporaryDirectory() as folder,
        server(Path(folder) / "home") as url,
        chromium() as page,
    ):
        page.set_viewport_size(SIZE)
        page.set_default_timeout(600_000)
        for name in asked:
            if name == "film":
                OUT.mkdir(parents=True, exist_ok=True)
                film(page, url, ready).save(OUT / "film.webp", quality=82, method=6)
            else:
                show(page, url, name)
                keep(page, name)
            print(name, flush=True)


def show(page, url, name):
    """The page, and what one does there first."""
    page.set_viewport_size({**SIZE, "height": 1300} if name == "explore" else SIZE)
    if name == "explained":
        page.goto(f"{url}/?project=reviews")
        page.get_by_text("Map of the training data").wait_for()
        settled(page)
        page.get_by_role("button", name="Explain").first.click()
        page.locator(".st-key-harmful_1").wait_for()
        return
    page.goto(f"{url}/{PAGES[name]}")
    page.locator("h3").first.wait_for()
    page.wait_for_timeout(2500)
    hide = page.get_by_role("button", name="Got it")
    if hide.count():
        hide.first.click()
    if name == "explore":
        page.get_by_role("button", name="Find slices").click()
        page.locator(".st-key-explore_slice_0").wait_for()
        page.locator("h3").first.scroll_into_view_if_needed()
    if name == "cleanse":
        page.get_by_role("button", name="Find harmful rows").click()
        page.get_by_text("What would change:").wait_for()


if __name__ == "__main__":
    main()
