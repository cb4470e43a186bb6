"""The label column as text, whatever type the source gives it."""

import pyarrow as pa
import pyarrow.compute as pc

from influence_core.errors import DataError


def label_texts(
    column: pa.ChunkedArray, name: str, classes: tuple[str, ...] | None
) -> pa.ChunkedArray:
    """Labels as text, null where there is none; nothing is trimmed or changed in case.

    Args:
        column: strings, whole numbers, booleans, or numbers of declared `classes`.
        name: of the column, for errors.
        classes: names of the numbers 0, 1, ..., or None.

    Raises:
        DataError: the column holds something that cannot be a label.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_floating(kind):
        column = column.cast(pa.float64())
        column = pc.if_else(pc.is_nan(column), None, column)  # what pandas writes for nothing
        # Beyond 2**53 neighbouring whole numbers are the same float.
        whole = pc.and_(pc.equal(column, pc.round(column)), pc.less(pc.abs(column), 2.0**53))
        if pc.any(pc.invert(whole)).as_py():
            raise DataError(
                f"Column {name!r} holds numbers with fractions, or infinite or huge ones; "
                "a label must be a class."
            )
        column, kind = column.cast(pa.int64()), pa.int64()
    if pa.types.is_integer(kind) and classes is not None:
        known = pc.and_(pc.greater_equal(column, 0), pc.less(column, len(classes)))
        numbers = pc.if_else(known, column, None)
        return pc.take(pa.array(classes, pa.string()), numbers)
    if not (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
    ):
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            raise DataError(
                f"Column {name!r} holds lists, several labels a row, which is not supported: make "
                "one project a label (a column that says yes or no), or write the first label only."
            )
        raise DataError(
            f"Column {name!r} holds {kind}, which cannot be a label; name another (--label)."
        )
    texts = column.cast(pa.string())
    return pc.if_else(blank(texts), None, texts)


def blank(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Where a text is missing, empty or blanks only; never null."""
    return pc.fill_null(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0), True)
