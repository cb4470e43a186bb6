"""The whole loop as a film strip, played in the running app: part of `make pictures`.

A CSV of one's own (sentences of the sample *reviews*, some labels of the training rows turned over)
goes through the wizard, an error, its rows, the label desk, the proof and the export; each stop is
a frame.
"""

import csv
import io
import random
import re

from browser import ROOT, settled
from PIL import Image, ImageDraw, ImageFont

ROWS, WRONG = 3_000, 0.2  # of the CSV; share of training labels that are turned over
# Of ten rows in order: labels of valid and test are right, so that what cleaning does is seen.
SPLITS = ("valid", "test", "test", *["train"] * 7)
FRAME, CAPTION, ACROSS, GAP = (528, 330), 34, 4, 12
NAMES = (
    "1  a file", "2  trained", "3  an error", "4  the rows behind it", "5  a label fixed",
    "6  proved", "7  exported",
)  # fmt: skip


def table():
    """The CSV: the sample's first rows with a split each, and some with the other label."""
    source = ROOT / "sample_data" / "reviews" / "source" / "train.csv"
    with source.open(newline="", encoding="utf-8") as file:
        rows = [row for _, row in zip(range(ROWS), csv.DictReader(file), strict=False)]
    toss, out = random.Random(0), io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["text", "label", "split"])
    for number, row in enumerate(rows):
        split = SPLITS[number % len(SPLITS)]
        turned = {"negative": "positive", "positive": "negative"}[row["gold"]]
        wrong = split == "train" and toss.random() < WRONG
        writer.writerow([row["text"], turned if wrong else row["gold"], split])
    return out.getvalue().encode()


def film(page, url, ready):
    """The strip, as one picture; `ready` waits until all is drawn."""
    frames = []

    def keep():
        ready(page)
        frames.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))

    page.goto(f"{url}/home?new=1")
    page.locator("input[type=file]").first.wait_for(state="attached")
    page.locator("input[type=file]").first.set_input_files(
        {"name": "films.csv", "mimeType": "text/csv", "buffer": table()}
    )
    train = page.get_by_role("button", name=re.compile(r"^Train \(about"))
    train.wait_for()
    keep()
    train.click()
    page.locator(".st-key-landed").wait_for()
    page.get_by_text("Map of the training data").wait_for()
    keep()
    page.get_by_role("button", name="Explain").first.click()
    page.locator(".st-key-harmful_1").wait_for()
    keep()
    page.locator(".st-key-helpful_1").scroll_into_view_if_needed()
    page.locator(".st-key-helpful_4").scroll_into_view_if_needed()
    keep()
    page.get_by_role("link", name="Labels").click()
    page.locator(".desk[data-row]:not([data-row=''])").wait_for()
    settled(page)
    for key in "aaa":
        page.keyboard.press(key)
    page.get_by_text("all decisions saved").wait_for()
    keep()
    page.get_by_role("link", name="Clean data").click()
    page.get_by_role("button", name="Find harmful rows").click()
    page.get_by_text("What would change:").wait_for()
    settled(page)
    page.get_by_role("button", name="Try it").click()
    said = page.get_by_text("points of accuracy on").first
    said.wait_for()
    said.scroll_into_view_if_needed()
    keep()
    page.get_by_role("button", name="Export the cleansed training set").click()
    page.get_by_text("Kept in").wait_for()
    page.get_by_role("button", name="Download data").scroll_into_view_if_needed()
    keep()
    return strip(frames)


def strip(frames):
    """The frames in rows of four, each with its number and what it shows."""
    wide, high = FRAME
    rows = -(-len(frames) // ACROSS)
    size = (ACROSS * (wide + GAP) + GAP, rows * (high + CAPTION + GAP) + GAP)
    out = Image.new("RGB", size, "#161616")
    draw, font = ImageDraw.Draw(out), ImageFont.load_default(20)
    for number, (frame, name) in enumerate(zip(frames, NAMES, strict=True)):
        x = GAP + number % ACROSS * (wide + GAP)
        y = GAP + number // ACROSS * (high + CAPTION + GAP)
        out.paste(frame.resize(FRAME, Image.Resampling.LANCZOS), (x, y))
        draw.text((x + 2, y + high + 5), name, fill="#ffffff", font=font)
    return out
