"""A demo for strangers: everything can be looked at; nothing is decided, started or made.

`TURNOVER_DEMO=1` asks for it; deploy/space does. The verbs that would write refuse with a sentence,
wherever they are called from, so no page need know of it.
"""

import os

from influence_core.errors import StoreError

VARIABLE = "TURNOVER_DEMO"


def is_demo() -> bool:
    """Whether strangers look at samples here."""
    return os.environ.get(VARIABLE, "") not in ("", "0")


def refuse_in_demo(what: str) -> None:
    """Refuse what would change something for the others who look at the demo.

    Raises:
        StoreError: this is a demo.
    """
    if is_demo():
        raise StoreError(f"This is a demo: {what}. Install Turnover to do it with your own data.")
