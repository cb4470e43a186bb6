"""Damaged footers; asked for a column of most of them, Arrow ends the process without exception."""

import base64

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest

from influence_core.data.footer import sound_footer
from influence_core.data.readers.registry import preview_source, read_source
from influence_core.errors import DataError

TABLE = pa.table({"text": [f"sentence {i}" for i in range(12)], "label": ["a", "b"] * 6})
# A column of the schema in Thrift: its type (bytes), that it may be null, the length of its name.
LABEL = b"\x15\x0c\x25\x02\x18\x05label"


def never_null(data):
    """Each chunk still counts its nulls."""
    assert data.count(LABEL) == 1
    return data.replace(LABEL, b"\x15\x0c\x25\x00\x18\x05label")


def numbers(data):
    """Each chunk still counts the bytes of its texts."""
    return data.replace(LABEL, b"\x15\x04\x25\x02\x18\x05label")


def no_text(data):
    """A name that is not UTF-8."""
    return data.replace(LABEL, LABEL[:-1] + b"\xff")


def one_count_less(data):
    """Of nulls and values the last chunk of the last row group counts only the first."""
    at = data.rindex(b"\x19\x26\x00\x0c")  # a list of two numbers, none and six
    length = int.from_bytes(data[-8:-4], "little") - 1
    rest = data[at + 4 : -8] + length.to_bytes(4, "little") + data[-4:]
    return data[:at] + b"\x19\x16\x00" + rest


def no_codec(data):
    """There is none of this number."""
    return data.replace(b"\x05label\x15\x02", b"\x05label\x15\x22")


@pytest.mark.parametrize("damage", [never_null, numbers, one_count_less, no_codec, no_text])
def test_a_footer_that_contradicts_itself_is_one_sentence(tmp_path, damage):
    path = tmp_path / "d.parquet"
    pq.write_table(TABLE, path, row_group_size=6)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert path.read_bytes() != whole
    for read in (preview_source, read_source):
        with pytest.raises(DataError, match=r"d\.parquet cannot be read .*; write it again\.$"):
            read(path)


class Keys(pe.KmsClient):
    """Keys that are no secret."""

    def __init__(self, config):
        super().__init__()

    def wrap_key(self, key_bytes, master_key_identifier):
        return base64.b64encode(key_bytes)


@pytest.mark.parametrize("plain_footer", [True, False])
def test_an_encrypted_file_is_told_so(tmp_path, plain_footer):
    chosen = pe.EncryptionConfiguration(
        footer_key="f", column_keys={"c": ["text"]}, plaintext_footer=plain_footer
    )
    made = pe.CryptoFactory(Keys).file_encryption_properties(pe.KmsConnectionConfig(), chosen)
    pq.write_table(TABLE, tmp_path / "d.parquet", encryption_properties=made)
    with pytest.raises(DataError, match=r"crypt.*; save it without encryption\.$"):
        read_source(tmp_path / "d.parquet")


@pytest.mark.parametrize("table", [TABLE, TABLE.slice(0, 0), pa.table({})])
def test_a_sound_footer_is_the_one_of_the_file_whose_data_is_not_read(tmp_path, table):
    path = tmp_path / "d.parquet"
    pq.write_table(table, path, row_group_size=5)
    footer = pq.read_metadata(path)
    whole = path.read_bytes()
    start = len(whole) - 8 - footer.serialized_size
    path.write_bytes(whole[:4] + b"\xff" * (start - 4) + whole[start:])
    assert sound_footer(path).equals(footer)
