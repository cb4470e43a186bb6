"""A process that decides: run as a script by tests that need several, or one to kill."""

import sys
import time

from influence_core.errors import StoreError
from influence_core.store.reviews.events import Action, Decision
from influence_core.store.reviews.store import ReviewStore


def decisions(keys):
    return [Decision(key, key * 7 % 2**64, "exclude", "cat") for key in keys]


def one_by_one(store, reviewer, count):
    for number in range(count):
        store.append(Action(reviewer, decisions([number]), "f", id=f"{reviewer}-{number}"))


def bulk(store, reviewer, rows):
    number = 0
    while True:
        store.append(Action(reviewer, decisions(range(rows)), "f", id=f"{reviewer}-{number}"))
        print(number, flush=True)
        number += 1


def patient(store, reviewer, count):
    """One by one, each again under the same id until it is written, as the label desk does."""
    refused = 0
    for number in range(count):
        action = Action(reviewer, decisions([number]), "f", id=f"{reviewer}-{number}")
        while True:
            try:
                store.append(action)
                break
            except StoreError:
                refused += 1
                time.sleep(0.05)
        if number % 10 == 0:
            print(number, flush=True)
    print(f"refused {refused}", flush=True)


if __name__ == "__main__":
    url, kind, who, size = sys.argv[1:]
    {"single": one_by_one, "bulk": bulk, "patient": patient}[kind](ReviewStore(url), who, int(size))
