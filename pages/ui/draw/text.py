"""Text that is data and must stay text."""

import re

from influence_core.visible import visible

# Addresses become links after escapes have been taken away; only another character stops that.
_ADDRESS = re.compile(r"(?i)(https?:(?=//)|www(?=\.)|@)")
_JOINER = "\u2060"  # without width, and no place to break a line


def plain(text: str) -> str:
    """Text made inert for places that read Markdown: special characters escaped, all visible."""
    text = _ADDRESS.sub(rf"\1{_JOINER}", visible(text))
    return "".join(f"\\{c}" if c in "\\`*_{}[]()<>#+-.!|~$:&@" else c for c in text)
