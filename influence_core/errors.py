"""Everything that Turnover can refuse, as one small tree of exceptions.

Each message is one sentence that a person can act on: what is wrong, why, and what to do,
with the offending name in it. Pages and the command line print `str(error)` and nothing else,
so an error that is not a `TurnoverError` is a bug of ours.
"""


class TurnoverError(Exception):
    """Base of all errors that are meant for the user's eyes."""


class DataError(TurnoverError):
    """The data set cannot be read or used as it is."""


class ModelError(TurnoverError):
    """A model, encoder, checkpoint or configuration does not fit."""


class KeysError(ModelError):
    """Instance keys are missing, or do not fit the batch."""


class StoreError(TurnoverError):
    """A project, run, review or export cannot be read or written."""


class MismatchError(StoreError):
    """Stored state belongs to other data, another model or another version."""


class ResourceError(TurnoverError):
    """The machine does not have what the work needs: memory, disk or device."""


class CancelledError(TurnoverError):
    """The user stopped the work; what was finished before is kept."""


def one_line(error: BaseException) -> str:
    """What another library says, in at most 200 letters on one line; its kind if it is silent."""
    words = " ".join(str(error).split())
    return words[:200].rstrip(" .:") or type(error).__name__
