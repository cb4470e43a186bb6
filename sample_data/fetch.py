"""Get the sources of the samples by package name, through pip and apt-get."""

import subprocess
import sys
import tarfile
from pathlib import Path


def vader(cache: Path) -> Path:
    """The folder of the ICWSM 2014 ratings in vaderSentiment's source distribution (MIT)."""
    archive = cache / "vaderSentiment-3.3.2.tar.gz"
    if not archive.is_file():
        _run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--no-binary",
                ":all:",
                "-d",
                str(cache),
                "vaderSentiment==3.3.2",
            ]
        )
    with tarfile.open(archive) as outer:
        outer.extractall(cache, filter="data")
    root = cache / "vaderSentiment-3.3.2"
    with tarfile.open(root / "additional_resources" / "hutto_ICWSM_2014.tar.gz") as inner:
        inner.extractall(cache, filter="data")
    return next(cache.glob("hutto_ICWSM_2014*"))


def fashion_mnist(cache: Path) -> Path:
    """The folder of the gz files of Debian's package dataset-fashion-mnist (MIT)."""
    found = sorted(cache.glob("dataset-fashion-mnist_*.deb"))
    if not found:
        _run(["apt-get", "download", "dataset-fashion-mnist"], cwd=cache)
        found = sorted(cache.glob("dataset-fashion-mnist_*.deb"))
    _run(["dpkg-deb", "-x", str(found[0]), str(cache / "fashion")])
    return cache / "fashion" / "usr" / "share" / "datasets" / "fashion-mnist"


def _run(command: list[str], cwd: Path | None = None) -> None:
    print("+", " ".join(command), flush=True)
    subprocess.run(command, check=True, cwd=cwd)
