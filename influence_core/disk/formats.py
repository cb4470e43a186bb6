"""The version of every stored format, and the readers of all earlier versions.

One rule for every file and table that outlives the program that wrote it: the value carries its
`version`; a value without one is version 1. Each format has a list of upgrades, plain dict to plain
dict, each by one version; they stay for ever. A version that this program does not know is refused.
Fields that a version does not know are no reason to refuse: `disk.records.build` passes over them.
To change a format: append one function here, and keep an example of the old file in
`tests/fixtures/formats`.
"""

from collections.abc import Callable
from typing import Any

from influence_core.errors import StoreError

VERSION = "version"
Value = dict[str, Any]
Upgrade = Callable[[Value], Value]


def upgraded(kind: str, value: Value, place: object) -> Value:
    """This value as the current version would have written it, without its version.

    Args:
        kind: a key of `UPGRADES`.
        value: a JSON or TOML object of any version.
        place: the file, for the message.

    Raises:
        StoreError: a newer program wrote it, or its version is no number.
    """
    version = value.get(VERSION, 1)
    known = current(kind)
    if type(version) is not int or not 1 <= version <= known:
        raise StoreError(
            f"{place} has version {version!r}, this program knows 1 to {known}; update the program."
        )
    value = {name: v for name, v in value.items() if name != VERSION}
    for upgrade in UPGRADES[kind][version - 1 :]:
        value = upgrade(value)
    return value


def current(kind: str) -> int:
    """The version that is written now."""
    return len(UPGRADES[kind]) + 1


def stamped(kind: str, value: Value) -> Value:
    """The value as it is written: with the current version."""
    return {VERSION: current(kind), **value}


def _renamed(value: Value, **names: str) -> Value:
    """The same with other names of some fields: old=new."""
    return {names.get(name, name): v for name, v in value.items()}


def _encoder(value: Value) -> Value:
    """The encoder was called trunk."""
    return _renamed(value, trunk="encoder", trunk_fingerprint="encoder_fingerprint")


def _project_1(value: Value) -> Value:
    return _renamed(_encoder(value), judge="target_split")


def _run_1(value: Value) -> Value:
    value, config = _encoder(value), value.get("config")
    if isinstance(config, dict) and isinstance(config.get("network"), dict):
        value["config"] = {**config, "network": _encoder(config["network"])}
    training = value["config"].get("training") if isinstance(value.get("config"), dict) else None
    if value.get("kind") == "head" and isinstance(training, dict):
        # Adam's eps was torch's own.
        value["config"] = {**value["config"], "training": {"eps": 1e-8, **training}}
    if isinstance(value.get("isolation"), dict):
        value["isolation"] = _renamed(value["isolation"], instances="rows")
    return value


def _evaluation_1(value: Value) -> Value:
    value = _renamed(value, lamps="checks")
    if isinstance(value.get("checks"), dict):
        value["checks"] = {
            name: _renamed(check, green="passed") if isinstance(check, dict) else check
            for name, check in value["checks"].items()
        }
    return value


def _cleansing_1(value: Value) -> Value:
    return _renamed(value, judge="target", edits="computed")


def _sweep_1(value: Value) -> Value:
    """Trials stood by "share/seeds", those of several numbers of seeds in one file.

    The last number counts. What else decided the results was not kept, so none is gone on with.
    """
    last = next(reversed(value), "").rpartition("/")[2]
    named = {name.rpartition("/"): trial for name, trial in value.items()}
    shares = {share: trial for (share, _, seeds), trial in named.items() if seeds == last}
    return {"identity": "", "shares": shares}


def _dataset_1(value: Value) -> Value:
    """The kind of the last file stood once for all; a folder of Parquet files was "hf"."""
    source = value.get("source")
    if not isinstance(source, dict) or not isinstance(source.get("files"), dict):
        return value
    kind = source.get("kind")

    def named(file: Any) -> Any:
        parts = isinstance(file, dict) and kind == "hf" and file.get("parts")
        return {"kind": "parquet" if parts else kind, **file} if isinstance(file, dict) else file

    files = {split: named(file) for split, file in source["files"].items()}
    return {**value, "source": {**source, "files": files}}


def _dataset_2(value: Value) -> Value:
    """Quoting was on or off."""
    source = value.get("source")
    if not isinstance(source, dict):
        return value
    files, options = source.get("files"), source.get("options")
    if isinstance(files, dict):
        source = {**source, "files": {split: _quoting(file) for split, file in files.items()}}
    return {**value, "source": {**source, "options": _quoting(options)}}


def _export_1(value: Value) -> Value:
    return {**value, "source": _quoting(value.get("source"))}


def _quoting(value: Any) -> Any:
    """The same with a word for a truth value."""
    if not isinstance(value, dict) or not isinstance(value.get("quoting"), bool):
        return value
    return {**value, "quoting": "double" if value["quoting"] else "none"}


def _dataset_3(value: Value) -> Value:
    """Of what was left out only the number was kept, by file."""
    source, splits = value.get("source"), value.get("splits")
    if not isinstance(source, dict):
        return value
    dropped = source.get("dropped")
    counts = dropped.values() if isinstance(dropped, dict) else ()
    # A folder of several splits had a wrong number, below nothing.
    gone = [count for count in counts if isinstance(count, int) and count > 0]
    why = "was left out by an earlier version, which did not keep why"
    kept = splits.values() if isinstance(splits, dict) else ()
    read = sum(count for count in (*kept, *gone) if isinstance(count, int))
    left_out = [{"why": why, "count": count} for count in gone]
    source = {name: v for name, v in source.items() if name != "dropped"}
    return {**value, "source": {"read": read, "left_out": left_out, **source}}


def _copies_1(value: Value) -> Value:
    """Crops were not looked for, so the sets are those of no data and are found again."""
    return {**value, "fingerprint": ""}


UPGRADES: dict[str, tuple[Upgrade, ...]] = {
    "project": (_project_1,),  # project.toml
    "run": (_run_1,),  # run.json
    "features": (_encoder,),  # the card of a feature file
    "dataset": (_dataset_1, _dataset_2, _dataset_3),  # data/dataset.json
    "encoders": (),  # encoders.json
    "evaluation": (_evaluation_1,),  # evaluation.json
    "cleansing": (_cleansing_1,),  # cleansings/<id>.json
    "trial": (),  # cleansings/<id>/trial-<round>.json
    "sweep": (_sweep_1,),  # cleansings/<id>/sweep.json
    "export": (_export_1,),  # the manifest of an export
    "scores": (),  # the card of all scores of an item
    "map": (),  # features/<id>/map.parquet
    "verified": (),  # verified/<run>-<key>-<question>.json
    "verified-cause": (),  # verified/<run>-cause-<items and rows>-<fix>.json
    "score": (),  # score.json
    "slice": (),  # slices/<digest of the name>.json
    "copies": (_copies_1,),  # copies.json
    "job": (),  # jobs/<id>/job.json
}
