"""What masks cost and buy in a whole network: accuracy, isolation, label errors, LDS.

    python -m benchmarks.network_frontier [--more N] [--lds N] [--sinks N]

The fashion sample's VGG is trained on with masks in the classifier only, in the last block too, or
in every block, against ordinary dropout at the same places and against none, three seeds each.
Every result is kept in `network_frontier.json`, so the command can be run in pieces: `--more N`
adds at most N plans (three seeds, turn-over and ordinary dropout each; one training at a time is
kept, so it may be killed), `--lds N` at most N retrainings on random halves, `--sinks N` at most N
trainings with sinks (`network_sinks`). The page docs/network-frontier.md is written each time.
"""

import argparse
import json
from typing import Any

import numpy as np

from benchmarks.network_cases import HERE, PLACES, Case, cases, measure
from benchmarks.network_lds import halves, retrained_losses, score
from benchmarks.network_sinks import measure_sinks, sink_cases, sink_lines

STORE = HERE / "network_frontier.json"
PAGE = HERE.parent / "docs" / "network-frontier.md"
HALVES = 20
TRAIN_ROWS = 4000
HEAD = """# What masks cost and buy in a whole network

Written by `python -m benchmarks.network_frontier` from `benchmarks/network_frontier.json`.

The fashion sample (4,000 training pictures, 5 % of the labels planted wrong) and its VGG, which
starts from weights pretrained on other pictures and trains 6 epochs at 0.001. Accuracy is on the
2,000 test and validation pictures, which choose nothing here; mean ± standard deviation over the
seeds that were run. *Ordinary* has nn.Dropout at the same places in the same network. AP is the
average precision of the planted labels, by 1 − p(label) on the flipped side and by self-influence.
Losses are those of the last epoch: the two sides separate, as in the paper. Cases that have not
been run are left out; the command goes on where it stopped.

**The default is the last block too.** Masks in the classifier only leave the encoder frozen, which
is what `--mode head` does in a fraction of the time; it is as good here because this encoder has
seen pictures of this kind. An encoder that has not must learn, and the last block is the least that
lets it at full isolation: 0.3 points of accuracy, no more than ordinary dropout costs. Every block
costs a point, and its features predict retraining worse.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the frontier of masks in a VGG.")
    parser.add_argument("--more", type=int, default=10**6, help="at most so many plans")
    parser.add_argument("--lds", type=int, default=0, help="at most so many retrainings on halves")
    parser.add_argument("--sinks", type=int, default=0, help="at most so many trainings with sinks")
    arguments = parser.parse_args()
    stored = json.loads(STORE.read_text()) if STORE.is_file() else {"cases": {}, "halves": {}}
    missing = [case for case in cases() if case.name not in stored["cases"]]
    plans = list(dict.fromkeys(case.plan for case in missing))[: arguments.more]
    for case in (case for case in missing if case.plan in plans):
        stored["cases"][case.name] = measure(case)
        print(case.name, stored["cases"][case.name], flush=True)
        STORE.write_text(json.dumps(stored))
    for blocks in PLACES if arguments.lds else ():
        retrain(stored, blocks, arguments.lds)
    sinks = stored.setdefault("sinks", {})
    for sink in [case for case in sink_cases() if case.name not in sinks][: arguments.sinks]:
        sinks[sink.name] = measure_sinks(sink)
        print(sink.name, sinks[sink.name], flush=True)
        STORE.write_text(json.dumps(stored))
    STORE.write_text(json.dumps(stored))
    PAGE.write_text(page(stored))
    print(PAGE.read_text())


def retrain(stored: dict[str, Any], blocks: int, most: int) -> None:
    """At most so many more retrainings of one plan, and its LDS when they are all there."""
    done = stored["halves"].setdefault(str(blocks), [])
    for number in range(len(done), HALVES)[:most]:
        done.append(retrained_losses(blocks, halves(TRAIN_ROWS, number + 1)[:, number]))
        STORE.write_text(json.dumps(stored))
    scored = stored.setdefault("lds", {})
    if len(done) == HALVES and str(blocks) not in scored:
        scored[str(blocks)] = score(blocks, done)
        STORE.write_text(json.dumps(stored))


def page(stored: dict[str, Any]) -> str:
    """The table, one line a plan."""
    lines = [HEAD]
    for freeze, title in ((True, TITLE_FROZEN), (False, TITLE_FREE)):
        rows = [
            row
            for blocks in PLACES
            for twins in ("off", "widen")
            if (row := line(stored["cases"], blocks, twins, freeze))
        ]
        if rows:
            lines += [title, "", *TABLE_HEAD, *rows, ""]
        none = values(stored["cases"], Case(0, "none", "off", freeze, 0), "accuracy")
        if none:
            lines += [f"No dropout at all: {spread(none)} %.", ""]
    if stored.get("lds"):
        lines.append(LDS_HEAD.format(count=HALVES))
        lines += [*lds_lines(stored["lds"]), ""]
    if any("shared" in name or "sinks" in name for name in stored.get("sinks", {})):
        lines += [SINK_HEAD, *sink_lines(stored["sinks"])]
    return "\n".join(lines).rstrip() + "\n"


TITLE_FROZEN = """## What both sides share is frozen (the default)

The part before the first mask, the first convolution's bias of each masked block, and the last bias
(removed): the rest is isolated exactly."""
TITLE_FREE = """## Everything trains

The same masks, nothing frozen: the audit says how much of what the flipped side reads is still
out-of-sample."""
TABLE_HEAD = [
    "| masks in | twin units | turn-over % | ordinary % | isolated | AP flipped | AP self | learned / flipped loss |",  # noqa: E501
    "|---|---|---|---|---|---|---|---|",
]
LDS_HEAD = """## LDS

Rank correlation with {count} retrainings on random halves, mean over 30 misclassified and over 30
random targets, ± standard deviation over three trained networks. The scan reads one network: its
scores carry the noise of its sub-networks.

| masks in | estimator | misclassified | random |
|---|---|---|---|"""

SINK_HEAD = """## A shared part that always runs, and masked sinks

Example-tied dropout (arXiv 2307.09542) and MemSinks (arXiv 2507.09937): most units run for every
row, and each row has a few of its own, in which its memory should gather. Here everything trains.
*Sinks added* stand beside all pretrained units; *half the units shared* leaves the other half as
twins. What is shared is not isolated, so it is measured how much the flipped side knows of rows
whose label was planted wrong, which can only be known by heart: p(planted label), beside a plain
network's on planted rows that it learned (left) and on those that it never saw (right).

**Not adopted.** Sinks in every block are as accurate as the default (89.8 ± 0.5 against 89.7 ± 0.1, three
seeds, where the same network without masks has 90.1), and their flipped side knows no more of planted rows,
though a quarter of what it reads is shared. But the rule that was set before asks for more accuracy beyond the
spread of the seeds, and for wrong labels found as well: they are found a little less well on the mean (AP 0.849
against 0.859), and isolation is no longer exact, which is what the default is for.

| units | masks in | seeds | full network % | without sinks % | isolated % | AP flipped | AP self | p(planted label), learned | flipped |
|---|---|---|---|---|---|---|---|---|---|"""  # noqa: E501


def lds_lines(scored: dict[str, dict[str, dict[str, list[float]]]]) -> list[str]:
    return [
        f"| {PLACES[blocks]} | {name} | {spread(found['misclassified'], 2)} | "
        f"{spread(found['random'], 2)} |"
        for blocks in PLACES
        for name, found in scored.get(str(blocks), {}).items()
    ]


def line(results: dict[str, Any], blocks: int, twins: str, freeze: bool) -> str | None:
    """One plan over the seeds that are there."""
    ours, other = (Case(blocks, kind, twins, freeze, 0) for kind in ("turnover", "dropout"))
    accuracy = values(results, ours, "accuracy")
    if not accuracy:
        return None
    means = {
        name: np.mean(values(results, ours, name))
        for name in ("isolated", "ap_flipped", "ap_self", "learned_loss", "flipped_loss")
    }
    return (
        f"| {PLACES[blocks]} | {'yes' if twins == 'widen' else 'no'} | {spread(accuracy)} | "
        f"{spread(values(results, other, 'accuracy'))} | {100 * means['isolated']:.1f} % | "
        f"{means['ap_flipped']:.3f} | {means['ap_self']:.3f} | "
        f"{means['learned_loss']:.2f} / {means['flipped_loss']:.2f} |"
    )


def values(results: dict[str, Any], case: Case, name: str) -> list[float]:
    """One figure of a case over all seeds."""
    stem = case.name.rpartition("/")[0]
    return [found[name] for key, found in results.items() if key.rpartition("/")[0] == stem]


def spread(found: list[float], digits: int = 1) -> str:
    if not found:
        return "–"
    deviation = np.std(found, ddof=1) if len(found) > 1 else 0
    return f"{np.mean(found):.{digits}f} ± {deviation:.{digits}f}"


if __name__ == "__main__":
    main()
