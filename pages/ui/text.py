"""Text that is data and must stay text."""


def plain(text: str) -> str:
    """Text made inert for places that read Markdown: every special character is escaped."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()<>#+-.!|~$:&@" else c for c in text)
