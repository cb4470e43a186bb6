"""Broken files from whole ones, and the proof that a project took no harm."""

import hashlib

from hypothesis import strategies as st

# What people, editors and half-written downloads leave behind.
CHUNKS = st.sampled_from(
    [
        b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"\n", b"\r", b",", b"{", b"}", b"[",
        b"]", b"null", b"NaN", b"-1", b"1e999", b"9" * 40, b"..", b"/etc/passwd", b"\\ud800",
        "\u202e\u200b".encode(), b"<script>", b"=1+1", b"true",
    ]
)  # fmt: skip
EDITS = st.lists(
    st.tuples(
        st.floats(0, 1), st.sampled_from(["put", "over", "cut", "end", "twice"]), CHUNKS,
        st.integers(0, 30),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


def damaged(data, edits):
    """The bytes after the edits: (where as a share, what, with which bytes, over how many)."""
    for share, what, chunk, size in edits:
        at = int(share * len(data))
        if what == "put":
            data = data[:at] + chunk + data[at:]
        elif what == "over":
            data = data[:at] + chunk + data[at + len(chunk) :]
        elif what == "cut":
            data = data[:at] + data[at + size :]
        elif what == "end":
            data = data[:at]
        else:
            data = data[:at] + data[at : at + size] + data[at:]
    return data


# JSON of any shape, with words that mean something here.
WORDS = st.sampled_from(["", "..", "../x", "/etc/passwd", "train", "relabel", "0" * 16, "\u202e"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


def prints(folder):
    """Every file below a folder with the hash of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith((".lock", "-wal", "-shm"))
    }
