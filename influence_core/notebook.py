"""One line from a notebook or a script: a frame on screen, and what people decided back as a frame.

    shown = influence_core.show(df, label="label", text="text", features=X, proba=P)
    shown.decisions()

Makes a project of the frame, or finds the one of the same data, gives it a run, and sees that the
dashboard runs.
"""

import html
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from influence_core.data.options import ReadOptions
from influence_core.disk.atomic import write_json
from influence_core.disk.names import folder_name, projects_home
from influence_core.errors import DataError, ResourceError, StoreError
from influence_core.installed import dashboard_root, sample_root, serve_command
from influence_core.jobs import jobs, start
from influence_core.store.project import Project
from influence_core.store.runs import LINEAR
from influence_core.store.samples import install_samples
from influence_core.workflow.projects.create import NewProject, create

APP = ".app.json"  # in the home of projects: where a dashboard was started
PATIENCE = 120.0  # seconds that a dashboard may take to answer
POLL = 0.05  # seconds between two questions whether it does
_started: list[subprocess.Popen[bytes]] = []  # they outlive the notebook; kept so that none warns


@dataclass(frozen=True)
class Shown:
    """A project on screen; in Jupyter it is a frame of the dashboard."""

    project: Project
    url: str

    def decisions(self) -> pd.DataFrame:
        """What counts about each decided row, as `Project.decisions` gives it."""
        return self.project.decisions()

    def _repr_html_(self) -> str:
        return f'<iframe src="{html.escape(self.url)}" width="100%" height="800"></iframe>'


def show(
    data: Any,
    *,
    label: str,
    text: str | None = None,
    features: npt.ArrayLike | None = None,
    proba: npt.ArrayLike | None = None,
    name: str = "notebook",
) -> Shown:
    """Show a frame in the dashboard.

    Args:
        data: pandas or polars frame, Arrow table, or `datasets.Dataset`.
        label: its column of labels; `text` of sentences, where it has such.
        features: (N, d), a row of numbers a row; no encoder runs then.
        proba: (N, C) out-of-sample probabilities (cross-validation) of the classes in sorted order;
            nothing is trained then. Else a lean head is trained in the background; with features a
            linear model of them is on screen meanwhile.
        name: of the project. One of this name and this data is gone on with; of other data, it
            stays, and the new one has a number behind its name.

    Raises:
        DataError: the frame, the features or the probabilities cannot be used; no project is made.
        ResourceError: the dashboard does not start.
    """
    home = projects_home()
    starter = ThreadPoolExecutor(1)  # a dashboard starts while the project is made
    url = starter.submit(dashboard, home)
    starter.shutdown(wait=False)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pq.write_table(_arrow(data), folder / "rows.parquet")
        own = _saved(folder, "features", features)
        project, new = _project(folder, home, name, label, text, own)
        try:
            _give_a_run(project, _saved(folder, "proba", proba), features is not None)
        except BaseException:
            if new:
                shutil.rmtree(project.root, ignore_errors=True)
            raise
    return Shown(project, f"{url.result()}/?project={project.root.name}")


def _give_a_run(project: Project, proba: str | None, has_features: bool) -> None:
    """The run of a user's probabilities; else a training, unless there is or was one."""
    from influence_core.threads import one_core_free
    from influence_core.workflow.train.own.linear_run import publish_linear
    from influence_core.workflow.train.own.probabilities import publish_probabilities

    with one_core_free():  # for the dashboard
        if proba is not None:
            publish_probabilities(project, {"train": proba}, known_out_of_sample=True)
            return
        runs = project.runs()
        if any(not run.config.get(LINEAR) for run in runs) or _trains(project):
            return
        if has_features and not runs:
            publish_linear(project, "shown while a head is trained")
    arguments = ["train", str(project.root.resolve()), "--size", "lean"]
    start(project.root, arguments, title="Train for a notebook")


def _trains(project: Project) -> bool:
    return any(job.active and job.arguments[:1] == ("train",) for job in jobs(project.root))


def _arrow(data: Any) -> pa.Table:
    """Any of the frames as a table."""
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pd.DataFrame):
        return pa.Table.from_pandas(data, preserve_index=False)
    if hasattr(data, "to_arrow"):  # polars
        return data.to_arrow()
    if hasattr(data, "with_format"):  # datasets
        return data.with_format("arrow")[:]
    raise DataError(
        f"{type(data).__name__} cannot be shown; give a pandas or polars frame, an Arrow table or "
        "a data set of `datasets`."
    )


def _saved(folder: Path, name: str, values: npt.ArrayLike | None) -> str | None:
    if values is None:
        return None
    np.save(folder / f"{name}.npy", np.asarray(values), allow_pickle=False)
    return str(folder / f"{name}.npy")


def _project(
    folder: Path, home: Path, name: str, label: str, text: str | None, features: str | None
) -> tuple[Project, bool]:
    """The new project, or the one of its name that holds just this; and whether it is new."""
    options = ReadOptions(label_column=label, content_column=text, features=features)
    free, number = name, 1
    while (home / folder_name(free)).exists():
        number += 1
        free = f"{name}-{number}"
    made = create(NewProject(str(folder / "rows.parquet"), name=free, options=options), home)
    for known in range(1, number):
        earlier = home / folder_name(name if known == 1 else f"{name}-{known}")
        if _same(Project.open(earlier), made):
            shutil.rmtree(made.root)
            return Project.open(earlier), False
    return made, True


def _same(one: Project, other: Project) -> bool:
    own = (one.fingerprint, one.settings.encoder_fingerprint or one.settings.encoder)
    return own == (other.fingerprint, other.settings.encoder_fingerprint or other.settings.encoder)


def dashboard(home: Path) -> str:
    """The address of the dashboard of a home, started if none answers.

    Raises:
        ResourceError: it does not answer in time. StoreError: the installation is incomplete.
    """
    home.mkdir(parents=True, exist_ok=True)
    known = home / APP
    try:
        url = str(json.loads(known.read_text("utf-8"))["url"])
    except (OSError, ValueError, KeyError, TypeError):
        url = ""
    if url.startswith("http://127.0.0.1:") and _answers(url):
        return url
    port = _free_port()
    environment = {**os.environ, "TURNOVER_HOME": str(home.resolve())}
    process = subprocess.Popen(
        serve_command("127.0.0.1", port), cwd=dashboard_root(), env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    if (samples := sample_root()) is not None:  # it would do so itself, and later
        with suppress(StoreError):
            install_samples(home, samples)
    url, end = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            raise ResourceError("The dashboard does not start; see what `turnover doctor` says.")
        time.sleep(POLL)
    _started.append(process)
    write_json(known, {"url": url, "process": process.pid})
    return url


def _answers(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/_stcore/health", timeout=5):
            return True
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
