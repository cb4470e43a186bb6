"""What a reviewer says of one row of a split, before it is written. Desk and items make it."""

from collections.abc import Sequence
from dataclasses import dataclass

from influence_core.data.dataset import Split
from influence_core.errors import DataError
from influence_core.store.reviews.events import Decision


@dataclass(frozen=True)
class Choice:
    """One row's decision, not yet written; `position` is the row's place in its split."""

    position: int
    verdict: str
    new_label: str | None = None
    note: str = ""

    def about(self, data: Split, classes: Sequence[str]) -> Decision:
        """The decision, with the row's key, content and label as they are now.

        Raises:
            DataError: an unknown class or verdict.
        """
        if self.new_label is not None and self.new_label not in classes:
            raise DataError(f"'{self.new_label}' is not a class of this project.")
        label = int(data.labels[self.position])
        return Decision(
            int(data.keys[self.position]),
            int(data.content_hashes[self.position]),
            self.verdict,
            classes[label] if label >= 0 else None,
            self.new_label,
            self.note,
        )
