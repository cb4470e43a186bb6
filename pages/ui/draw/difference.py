"""Two sentences word by word: which words both have, in the same order.

The browser gets words as plain values and sets each as text, so that nothing of a sentence is ever
read as HTML or Markdown. Shared words are bold and underlined, so nobody needs their colour.
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

import streamlit as st

from pages.ui.draw.content import visible

MOST_WORDS = 1_500  # of one sentence; comparing takes time with the square of it
_WORD = re.compile(r"\S+\s*")
_EDGES = re.compile(r"^\W+|\W+$")

_CSS = """
.words { color: var(--st-text-color); font-family: var(--st-font); font-size: 1.1rem;
  line-height: 1.7; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0;
  unicode-bidi: isolate; max-height: 26rem; overflow: auto; }
.words mark { color: inherit; font-weight: 650; text-decoration: underline solid 2px;
  text-underline-offset: 4px; border-radius: 3px;
  background: color-mix(in srgb, var(--st-primary-color) 16%, transparent); }
"""
_JS = """
export default function ({ parentElement, data }) {
  const place = parentElement.querySelector(".words");
  place.replaceChildren();
  for (const [text, shared] of data.pieces) {
    const node = document.createElement(shared ? "mark" : "span");
    node.textContent = text;
    place.append(node, " ");
  }
  place.tabIndex = place.scrollHeight > place.clientHeight ? 0 : -1;
}
"""
_mount = st.components.v2.component(
    "turnover_words", html='<p class="words"></p>', css=_CSS, js=_JS
)
Piece = tuple[str, bool]


def draw_words(pieces: Sequence[Piece], key: str) -> None:
    """One sentence with its shared words marked."""
    _mount(key=key, data={"pieces": [[visible(text), shared] for text, shared in pieces]})


def differences(first: str, second: str) -> tuple[list[Piece], list[Piece]]:
    """Both sentences in pieces, each with whether the other has it too.

    Words are compared without case and without punctuation at their ends.
    """
    words = [_WORD.findall(text)[:MOST_WORDS] for text in (first, second)]
    bare = [[_EDGES.sub("", word.strip()).casefold() for word in some] for some in words]
    # A dash between spaces is no word.
    real = [[i for i, word in enumerate(some) if word] for some in bare]
    sequences = [[some[i] for i in where] for some, where in zip(bare, real, strict=True)]
    shared = [[False] * len(some) for some in words]
    # Without autojunk: it would drop frequent words of long sentences.
    for a, b, size in SequenceMatcher(None, *sequences, autojunk=False).get_matching_blocks():
        for i in range(size):
            shared[0][real[0][a + i]] = shared[1][real[1][b + i]] = True
    return _joined(words[0], shared[0]), _joined(words[1], shared[1])


def shared_words(pieces: Sequence[Piece]) -> int:
    """How many words are shared."""
    return sum(len(text.split()) for text, shared in pieces if shared)


def _joined(words: Sequence[str], shared: Sequence[bool]) -> list[Piece]:
    """Neighbours of the same kind as one piece, so that a phrase is one mark."""
    out: list[Piece] = []
    for word, mark in zip(words, shared, strict=True):
        if out and out[-1][1] == mark:
            out[-1] = (out[-1][0] + word, mark)
        else:
            out.append((word, mark))
    return [(text.rstrip(), mark) for text, mark in out]
