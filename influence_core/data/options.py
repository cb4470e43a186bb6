"""What a user may say about a source; everything has a default that is found in the data."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from influence_core.data.dataset import Modality
from influence_core.data.source import QUOTINGS, Quoting
from influence_core.errors import DataError

# Says "use no such column" where None means "find one".
NO_COLUMN = ""
# Says "all columns, as a table" where one names a sentence or an image; only features go with it.
ALL_COLUMNS = "*"
BadRows = Literal["refuse", "drop", "keep"]


@dataclass(frozen=True)
class ReadOptions:
    """How to read a source.

    Attributes:
        kind: a reader's name; None means by the looks of the path.
        label_column: None means detect.
        content_column: sentence or image; several texts as "a,b"; "*" for all columns as a table,
            where rows have features; None means detect.
        id_column: None means detect, "" means use none.
        split_column: column of split names; None means detect, "" means use none.
        splits: our names of splits that the source calls otherwise, "test=validation"; None means
            the usual spellings.
        group_column: rows that share a value here never stand on both sides of a cut, such as
            those of one patient; None means every row for itself.
        modality: None means whatever the content is.
        classes: class names in the wanted order, also for labels that are their numbers, from
            0; None means all labels, sorted.
        join: labels that become one class: "alike" for names that may be one, "first" for the
            first of several labels in a row, "class=label" for one of the user's own.
        leave_out: labels whose rows are left out; "missing" for all that read like none.
        bad_rows: rows without label, text or readable image: "refuse" raises and names them,
            "drop" leaves them out, "keep" keeps them for `data.checks` to report.
        valid_share: share of the train rows cut off as "valid" where the source has none.
        test_share: the same for "test".
        seed: of that cut.
        encoding: of a CSV; None means detect.
        delimiter: of a CSV; None means detect.
        quoting: of fields of a CSV, a name of `QUOTINGS`; None means detect.
        header: whether the first record of a CSV names its columns; None means yes, and refuse a
            file whose first record reads like a row.
        sheet: of a workbook; None means those named like splits, or the first that has names of
            columns like ours.
        image_root: folder that paths of images are relative to; None means that of the file.
        config: of a data set of the hub that has several; None means its default.
        revision: of a data set of the hub: branch, tag or commit; None means the newest.
        features: file of the rows' own features, or column of lists; no encoder runs then.
        valid_features, test_features: of splits that stand in files of their own.
    """

    kind: str | None = None
    label_column: str | None = None
    content_column: str | None = None
    id_column: str | None = None
    split_column: str | None = None
    splits: tuple[str, ...] | None = None
    group_column: str | None = None
    modality: Modality | None = None
    classes: tuple[str, ...] | None = None
    join: tuple[str, ...] | None = None
    leave_out: tuple[str, ...] | None = None
    bad_rows: BadRows = "refuse"
    valid_share: float = 0.15
    test_share: float = 0.15
    seed: int = 0
    encoding: str | None = None
    delimiter: str | None = None
    quoting: Quoting | None = None
    header: bool | None = None
    sheet: str | None = None
    image_root: str | None = None
    config: str | None = None
    revision: str | None = None
    features: str | None = None
    valid_features: str | None = None
    test_features: str | None = None

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "ReadOptions":
        """From JSON, where tuples became lists.

        Raises:
            DataError: there is no such option, or one of these values cannot be.
        """
        unknown = sorted(set(told) - {field.name for field in fields(cls)})
        if unknown:
            raise DataError(f"{unknown} are no options of reading; update the program.")
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in told.items()
        }
        return cls(**values)

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
        if self.quoting is not None and self.quoting not in QUOTINGS:
            raise DataError(
                f"There is no quoting {self.quoting!r}; there are {', '.join(QUOTINGS)} "
                "(--quoting)."
            )
