"""What a user may say about a source; everything has a default that is found in the data."""

from dataclasses import dataclass
from typing import Literal

from influence_core.data.dataset import Modality
from influence_core.errors import DataError

# Says "use no such column" where None means "find one".
NO_COLUMN = ""
BadRows = Literal["refuse", "drop", "keep"]


@dataclass(frozen=True)
class ReadOptions:
    """How to read a source.

    Attributes:
        kind: a reader's name; None means by the looks of the path.
        label_column: None means detect.
        content_column: sentence or image; None means detect.
        id_column: None means detect, "" means use none.
        split_column: column of split names; None means detect, "" means use none.
        modality: None means whatever the content is.
        classes: class names in the wanted order; None means all labels, sorted.
        bad_rows: rows without label, text or readable image: "refuse" raises and names them,
            "drop" leaves them out, "keep" keeps them for `data.checks` to report.
        valid_share: share of the train rows cut off as "valid" where the source has none.
        test_share: the same for "test".
        seed: of that cut.
        encoding: of a CSV; None means detect.
        delimiter: of a CSV; None means detect.
        quoting: whether '"' quotes fields of a CSV; None means detect.
    """

    kind: str | None = None
    label_column: str | None = None
    content_column: str | None = None
    id_column: str | None = None
    split_column: str | None = None
    modality: Modality | None = None
    classes: tuple[str, ...] | None = None
    bad_rows: BadRows = "refuse"
    valid_share: float = 0.15
    test_share: float = 0.15
    seed: int = 0
    encoding: str | None = None
    delimiter: str | None = None
    quoting: bool | None = None

    def __post_init__(self) -> None:
        shares = (self.valid_share, self.test_share)
        if min(shares) < 0 or sum(shares) > 0.8:
            raise DataError(
                f"The shares of valid ({self.valid_share}) and test ({self.test_share}) must be at "
                "least 0 and leave a fifth of the rows for training."
            )
        if self.bad_rows not in ("refuse", "drop", "keep"):
            raise DataError(f"bad_rows is {self.bad_rows!r}; it can be 'refuse', 'drop' or 'keep'.")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n\0'):
            raise DataError(f"{self.delimiter!r} cannot delimit fields; use one character.")
