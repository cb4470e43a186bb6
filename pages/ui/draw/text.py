"""Text that is data and must stay text."""

import re

# Addresses become links after escapes have been taken away; only another character stops that.
_ADDRESS = re.compile(r"(?i)(https?:(?=//)|www(?=\.)|@)")
_JOINER = "\u2060"  # without width, and no place to break a line


def plain(text: str) -> str:
    """Text made inert for places that read Markdown: every special character is escaped."""
    text = _ADDRESS.sub(rf"\1{_JOINER}", text)
    return "".join(f"\\{c}" if c in "\\`*_{}[]()<>#+-.!|~$:&@" else c for c in text)
