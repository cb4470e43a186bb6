"""The footer of a Parquet file, asked in a way that a damaged one cannot end the process by."""

import io
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from influence_core.errors import DataError, one_line


class _SealedError(Exception):
    """The data would have been read next."""


class _Sealed(io.FileIO):
    """A file whose bytes can be read until it is sealed."""

    sealed = False

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any file.

        Raises:
            _SealedError: it is sealed.
        """
        if self.sealed:
            raise _SealedError
        return super().read(size)


def sound_footer(path: Path) -> pq.FileMetaData:
    """The footer, once it is known that each column of each row group can be asked for.

    `RowGroupMetaData.column` ends the whole process, with no exception, if the column's numbers
    contradict each other or the column is encrypted. Arrow's reader asks all of them before it
    comes to the first byte of data, and raises; it is let no further than that.

    Args:
        path: of the file.

    Raises:
        DataError: the footer is damaged or encrypted, or it is no Parquet file.
    """
    try:
        with _Sealed(path) as source:
            file = pq.ParquetFile(source, pre_buffer=True)
            source.sealed = True
            with suppress(_SealedError):
                next(file.iter_batches(1), None)
            return file.metadata
    except MemoryError:
        raise  # one of Arrow's own, too
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> DataError:
    """What Arrow says of a Parquet file that it cannot read, with what to do."""
    why = one_line(error)
    advice = "save it without encryption" if "crypt" in why else "write it again"
    return DataError(f"{path} cannot be read as Parquet ({why}); {advice}.")
