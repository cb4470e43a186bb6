"""The rules of `turnover check`: what each is about, and when one is broken.

A finding names its rule. `leakage` is broken by one row, `duplicates>10` by eleven, and
`wrong-labels>2%` by more than two of a hundred of the rows that the rule looks at.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from influence_core.data.checks.finding import Finding
from influence_core.data.dataset import Dataset
from influence_core.errors import DataError
from influence_core.workflow.projects.account import Account

LEFT_OUT, GROUPS = "left-out", "groups"
TRAIN, OTHERS, ALL = "train", "others", "all"


@dataclass(frozen=True)
class Rule:
    """What it is about, in words; which rows it looks at; what it needs besides the data."""

    about: str
    looks_at: str = TRAIN
    needs: str = ""


LABELS, FEATURES = "features, an encoder or probabilities", "features or an encoder"
RULES: dict[str, Rule] = {
    LEFT_OUT: Rule("records that are no rows: without label or text, or that cannot be read", ALL),
    "missing-labels": Rule("rows without a label", ALL),
    "empty-texts": Rule("empty texts", ALL),
    "unreadable-images": Rule("pictures that cannot be decoded", ALL),
    "odd-pictures": Rule("pictures that are dark, bright, empty, blurred or of an odd size", ALL),
    "repeated-ids": Rule("ids that stand twice", ALL),
    "too-few-classes": Rule("training rows of one class only"),
    "tiny-classes": Rule("rows of classes with fewer than five training rows"),
    "imbalance": Rule("rows of a class with less than a tenth of an even share"),
    "several-labels": Rule("rows with several labels in one"),
    "spellings": Rule("rows of classes that may be one in two spellings"),
    "words-for-missing": Rule("rows whose label reads like none"),
    "duplicates": Rule("copies within a split with the same label", ALL),
    "conflicting-duplicates": Rule("copies within a split with different labels", ALL),
    "leakage": Rule("rows of other splits whose content is also in train", OTHERS),
    "near-copies": Rule("rows with a near copy in their split", ALL),
    "near-leakage": Rule("rows of other splits with a near copy in train", OTHERS),
    GROUPS: Rule("rows of other splits whose group (--group) is also in train", OTHERS),
    "missing-splits": Rule("splits valid and test that are not there"),
    "long-texts": Rule("texts longer than the encoder reads at once", ALL),
    "unread-texts": Rule("splits with texts in letters that the encoder hardly knows", ALL),
    "shortcuts": Rule("rows whose class one word, or a size, tells"),
    "wrong-labels": Rule("labels that are probably wrong", needs=LABELS),
    "outliers": Rule("rows unlike all others", needs=FEATURES),
    "order": Rule("rows that stand in a telling order", needs=FEATURES),
}
_RULE = re.compile(r"([a-z-]+)(?:>(\d+(?:\.\d+)?)(%?))?")


@dataclass(frozen=True)
class Limit:
    """How many rows break nothing yet: a number, or a share of those that are looked at."""

    number: float = 0.0
    percent: bool = False

    def broken(self, count: int, of: int) -> bool:
        """Whether so many of so many rows are too many."""
        return count > (self.number * of / 100 if self.percent else self.number)

    def __str__(self) -> str:
        return f"{self.number:g}{' %' if self.percent else ''}"


@dataclass(frozen=True)
class Verdict:
    """What was found about one rule.

    Attributes:
        rule: its name.
        findings: sentences and rows.
        count: rows that are meant, each once; a finding without rows counts as one.
        of: rows that were looked at.
        limit: what may be; None if the rule was not asked for.
        unknown: why it could not be checked; "" if it was.
    """

    rule: str
    findings: tuple[Finding, ...]
    count: int
    of: int
    limit: Limit | None = None
    unknown: str = ""

    @property
    def broken(self) -> bool:
        """Whether it was asked for, and more was found than may be."""
        return self.limit is not None and self.limit.broken(self.count, self.of)

    def sentence(self) -> str:
        """What was found, for people."""
        if self.unknown:
            return f"Not checked: {self.unknown}."
        told = f"{self.count:,} of {self.of:,}: {RULES[self.rule].about}."
        return told if self.limit is None else f"{told[:-1]} (at most {self.limit} may be)."


def read_rules(told: str) -> dict[str, Limit]:
    """`leakage,duplicates>10,wrong-labels>2%` as limits by rule.

    Raises:
        DataError: it is not written so, or there is no such rule.
    """
    limits: dict[str, Limit] = {}
    for part in filter(None, (part.strip() for part in told.split(","))):
        match = _RULE.fullmatch(part.replace(" ", ""))
        if match is None:
            raise DataError(
                f"{part!r} is no rule; write a name, or how much may be: leakage, "
                "duplicates>10, wrong-labels>2%."
            )
        name, number, percent = match.groups()
        if name not in RULES:
            raise DataError(f"There is no rule {name!r}; there are {', '.join(RULES)}.")
        limits[name] = Limit(float(number or 0), percent == "%")
    return limits


def verdicts(
    dataset: Dataset,
    account: Account,
    findings: Sequence[Finding],
    limits: Mapping[str, Limit],
    unknown: Mapping[str, str],
) -> tuple[Verdict, ...]:
    """One for each rule, in the order of `RULES`.

    Args:
        dataset: which was checked, and its `account`.
        findings: about it.
        limits: from `read_rules`.
        unknown: rules that could not be checked, and why.
    """
    out = []
    for name, rule in RULES.items():
        own = tuple(finding for finding in findings if finding.rule == name)
        count, of = _count(own), _rows(dataset, rule.looks_at)
        if name == LEFT_OUT:
            count, of = sum(gone.count for gone in account.left_out), account.read
        why = unknown.get(name, "")
        if rule.looks_at == OTHERS and not of:
            why = "there is no split beside train"
        elif name == GROUPS and "group_column" not in dataset.source.options:
            why = "no column of groups is named (--group)"
        out.append(Verdict(name, own, count, of, limits.get(name), why))
    return tuple(out)


def _count(findings: Iterable[Finding]) -> int:
    rows: dict[str, list[np.ndarray]] = {}
    alone = 0
    for finding in findings:
        rows.setdefault(finding.split, []).append(finding.rows)
        alone += not finding.rows.size
    return alone + sum(len(np.unique(np.concatenate(parts))) for parts in rows.values())


def _rows(dataset: Dataset, looks_at: str) -> int:
    sizes = {split.name: len(split) for split in dataset}
    if looks_at == TRAIN:
        return sizes[TRAIN]
    return sum(sizes.values()) - (sizes[TRAIN] if looks_at == OTHERS else 0)
