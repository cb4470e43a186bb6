"""What estimates say of memory beside what work then takes, in a process of its own (Linux)."""

import json
import subprocess
import sys

import pytest

from influence_core.training.heads.types import HeadTraining
from influence_core.turnover.head import HeadConfig
from influence_core.workflow.costs.estimate import Rates, scanning, training

ROWS, TARGETS, CONFIG = 15_000, 1_000, HeadConfig(384, 2, members=16, width=256)
ONCE = HeadTraining(epochs=1)
RATES = Rates(*[1e-9] * 4)
SAID = {
    "training": training(RATES, ROWS, CONFIG, ONCE),
    "scan": scanning(RATES, "turnover", 10_000, TARGETS, CONFIG),
}

WORK = """
import gc, json, sys, threading
from pathlib import Path
import numpy as np
import torch
from influence_core.influence.base import Evidence, HeadWeights, Targets
from influence_core.influence.scan import mean_influence
from influence_core.influence.estimators.turnover import TURNOVER
from influence_core.training.features import Standardised
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.training.heads.fit import fit_heads
from influence_core.turnover.head import HeadConfig, initial_weights

torch.set_num_threads(2)
name, rows, targets = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
config = HeadConfig(384, 2, members=16, width=256)
raw = np.random.default_rng(0).standard_normal((rows, 384), dtype=np.float32).astype(np.float16)

def train(count):
    features = Standardised.fit(raw[:count])
    labels = torch.arange(count) % 2
    fit_heads(Rows(features, labels, torch.arange(count)), config, HeadTraining(epochs=1))

head = HeadWeights(*initial_weights(config), config)
keys, labels = torch.arange(rows), torch.arange(rows) % 2
own = Standardised.fit(raw[:100])
evidence = Evidence(own, labels, keys, torch.full((1, 2), 0.5).expand(rows, 2), head)

def query(count):
    x = torch.randn(count, 384)
    goal = Targets(x, torch.arange(count) % 2, torch.full((count, 2), 0.5))
    return TURNOVER.prepare(evidence).query(goal)

ready = query(targets) if name == "scan" else None
works = {"training": train, "scan": lambda count: mean_influence(ready, count)}

def held():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) << 10 for x in lines if x.startswith("RssAnon"))

works[name](300)  # libraries and compiled loops, which FIRST stands for
gc.collect()
before = peak = held()
over = threading.Event()

def watch():
    global peak
    while not over.wait(0.002):
        peak = max(peak, held())

thread = threading.Thread(target=watch)
thread.start()
works[name](rows)
over.set()
thread.join()
print(json.dumps(peak - before))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize(("name", "rows"), [("training", ROWS), ("scan", 10_000)])
def test_memory_is_estimated_within_a_factor_of_two(name, rows):
    took = in_a_process(name, rows)
    assert 0.5 < SAID[name].bytes / took < 2, f"said {SAID[name].bytes >> 20}, took {took >> 20} MB"


def in_a_process(name, rows):
    command = [sys.executable, "-c", WORK, name, str(rows), str(TARGETS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    return json.loads(done.stdout)
