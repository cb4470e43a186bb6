"""Data sets of the hub: what belongs to them comes along, and nothing else of this machine."""

import json

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import png
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.data.options import ReadOptions
from influence_core.data.readers import hub
from influence_core.data.readers.registry import read_source
from influence_core.errors import DataError
from influence_core.store.project import projects_home
from influence_core.workflow.projects.preview import first_look

WHOLE = ReadOptions(valid_share=0, test_share=0)
FILES = pa.struct({"bytes": pa.binary(), "path": pa.string()})


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """The folder that the library downloads into."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    monkeypatch.setattr(datasets.config, "DOWNLOADED_DATASETS_PATH", folder)
    return folder


def on_the_hub(monkeypatch, tmp_path, columns, features):
    """A data set as the library leaves it after a download: a Parquet file with its features."""
    table = pa.table(columns).replace_schema_metadata(
        datasets.Features(features).arrow_schema.metadata
    )
    pq.write_table(table, tmp_path / "data.parquet")
    loaded = datasets.Dataset.from_parquet(
        str(tmp_path / "data.parquet"), cache_dir=str(tmp_path / "cache")
    )
    monkeypatch.setattr(hub, "_loaded", lambda source, options: loaded)
    monkeypatch.setattr(hub, "_streamed", lambda source, options: loaded.to_iterable_dataset())


@pytest.fixture
def glue(tmp_path, monkeypatch):
    """A data set as the library streams and loads it, of files of this machine; its cache."""
    folder = tmp_path / "remote"
    folder.mkdir()
    kinds = datasets.Features(
        {"sentence": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    )
    for name, labels in (("train", [0, 1] * 300), ("validation", [1, 0] * 20), ("test", [-1] * 30)):
        rows = {"sentence": [f"{name} film {i}" for i in range(len(labels))], "label": labels}
        datasets.Dataset.from_dict(rows, kinds).to_parquet(folder / f"{name}.parquet")
    files = {name: str(folder / f"{name}.parquet") for name in ("train", "validation", "test")}

    def builder(source, options):
        return datasets.load_dataset_builder(
            "parquet", data_files=files, cache_dir=str(tmp_path / "cache")
        )

    monkeypatch.setattr(hub, "_builder", builder)
    return tmp_path / "cache"


def test_the_first_rows_are_streamed_and_nothing_is_downloaded(glue, monkeypatch):
    monkeypatch.setattr(hub, "_loaded", lambda *_: pytest.fail("downloaded"))
    look = first_look("someone/glue")
    assert look.head["sentence"].tolist() == [f"train film {i}" for i in range(8)]
    assert look.roles.label == "label"
    assert look.roles.content == "sentence"
    assert not [*glue.rglob("*.arrow")]


def test_the_verb_shows_as_many_rows_as_are_wanted_and_makes_nothing(glue):
    asked = ["new", "someone/glue", "--preview", "12", "--json"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [row["sentence"] for row in told["rows"]] == [f"train film {i}" for i in range(12)]
    assert told["chosen"] == {"content": "sentence", "label": "label", "id": None, "split": None}
    assert not [*glue.rglob("*.arrow")]
    shown = CliRunner().invoke(app, asked[:-1])
    assert "Asking the Hugging Face hub" in shown.output
    assert "train film 11" in shown.output
    assert "Nothing was made" in shown.output
    assert not [*projects_home().glob("*/project.toml")]


def test_its_splits_are_named_as_wanted_and_those_without_labels_are_kept(glue):
    data = read_source("someone/glue", ReadOptions(splits=("test=validation",), valid_share=0))
    assert {split.name: len(split) for split in data} == {"train": 600, "test": 40}
    assert data.classes == ("neg", "pos")
    assert len(data.unlabelled["test"]) == 30
    assert "Split 'validation' of the source is read as test." in data.source.told


def test_a_bare_name_is_asked_of_the_hub_only_when_told(glue, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"does not exist; .* with --kind hub"):
        read_source("glue")
    assert len(read_source("glue", ReadOptions(kind="hub")).unlabelled["test"]) == 30
    with pytest.raises(DataError, match=r"does not exist; check the path\.$"):
        read_source("glue.csv")


def test_the_hub_out_of_reach_is_one_sentence():
    with pytest.raises(DataError, match="cannot be had from the hub") as caught:
        read_source("nobody/nothing-of-the-kind")
    assert "\n" not in str(caught.value)


def test_a_hub_data_set_brings_its_pictures_along(picture_folder, downloads, tmp_path, monkeypatch):
    picture_folder = picture_folder.rename(downloads / "extracted")
    cached = datasets.load_dataset(
        "imagefolder", data_dir=str(picture_folder), cache_dir=str(tmp_path / "cache")
    )
    assert cached["train"].data.table.column("image")[0].as_py()["bytes"] is None
    monkeypatch.setattr(hub, "_loaded", lambda source, options: cached)
    dataset = read_source("someone/pictures", WHOLE)
    assert dataset.source.files["train"].kind == "hub"
    assert dataset.train.image_bytes(0).startswith(b"\x89PNG")


LABELS = {"label": pa.array(["a", "b"] * 4)}
TEXTS = {"text": pa.array([f"sentence {i}" for i in range(8)])}


@pytest.mark.parametrize("how", ["absolute", "up", "link", "url", "archive", "directory", "nul"])
def test_no_file_beyond_the_downloads_is_read(downloads, tmp_path, monkeypatch, how):
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(99))
    (downloads / "link.png").symlink_to(secret)
    (downloads / "good.png").write_bytes(png(1))
    path = {
        "absolute": str(secret),
        "up": f"{downloads}/../secret.png",
        "link": str(downloads / "link.png"),
        "url": f"file://{secret}",
        "archive": f"zip://secret.png::{secret}",
        "directory": str(tmp_path),
        "nul": "a\0b",
    }[how]
    paths = [str(downloads / "good.png")] * 6 + [path] * 2
    columns = {"image": pa.array([{"bytes": None, "path": p} for p in paths], FILES)} | LABELS
    features = {"image": datasets.Image(), "label": datasets.Value("string")}
    on_the_hub(monkeypatch, tmp_path, columns, features)
    read = ReadOptions(valid_share=0, test_share=0, bad_rows="drop")
    found = read_source("someone/pictures", read)
    assert len(found.train) == 6
    assert all(found.train.image_bytes(i) == png(1) for i in range(6))
    with pytest.raises(DataError, match="bad image in column 'image'"):
        read_source("someone/pictures", WHOLE)
    shown = first_look("someone/pictures").head["image"]
    assert not any("/" in cell for cell in shown)  # names, no folders of this machine


def test_media_that_are_not_the_content_are_dropped(downloads, tmp_path, monkeypatch):
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(99))
    media = pa.array([{"bytes": None, "path": str(secret)}] * 8, FILES)
    nested = pa.array([[{"bytes": None, "path": str(secret)}]] * 8, pa.list_(FILES))
    columns = TEXTS | LABELS | {"photo": media, "sound": media, "album": nested}
    features = {
        "text": datasets.Value("string"),
        "label": datasets.Value("string"),
        "photo": datasets.Image(),
        "sound": datasets.Audio(),
        "album": datasets.List(datasets.Image()),
    }
    on_the_hub(monkeypatch, tmp_path, columns, features)
    found = read_source("someone/films", ReadOptions(content_column="text", valid_share=0))
    assert found.modality == "text"
    assert found.train.extra_columns == []
    assert found.source.columns == ("text", "label")


def test_pictures_that_carry_their_bytes_need_no_file(downloads, tmp_path, monkeypatch):
    images = pa.array([{"bytes": png(i), "path": "x.png"} for i in range(8)], FILES)
    on_the_hub(
        monkeypatch, tmp_path, {"image": images} | LABELS,
        {"image": datasets.Image(), "label": datasets.Value("string")},
    )  # fmt: skip
    found = read_source("someone/pictures", WHOLE)
    assert [found.train.image_bytes(i) for i in range(8)] == [png(i) for i in range(8)]


@pytest.mark.parametrize("how", ["text", "csv"])
def test_a_data_set_whose_files_lie_elsewhere_is_refused_unread(tmp_path, monkeypatch, how):
    secret = tmp_path / f"secret.{how}"
    secret.write_text("text,label\nsecret,a\n")
    builder = datasets.load_dataset_builder(how, data_files=str(secret), cache_dir=str(tmp_path))
    monkeypatch.setattr(datasets, "load_dataset_builder", lambda source, **_: builder)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match="not in its own repository"):
        read_source("someone/films", WHOLE)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("file", "own"),
    [
        ("hf://datasets/someone/films@abc/data/train.csv", True),
        ("hf://datasets/Someone/Films@abc/train.csv", True),
        ("hf://datasets/someone/films-secret@abc/train.csv", False),
        ("hf://datasets/other/films@abc/train.csv", False),
        ("hf://datasets/someone/films@abc/../../other/secret@x/train.csv", False),
        ("hf://datasets/someone/films@abc/a.csv::/etc/passwd", False),
        ("hf://someone/films@abc/train.csv", False),
        ("http://169.254.169.254/latest/meta-data", False),
        ("/etc/passwd", False),
        ("zip://a.csv::/etc/secret.zip", False),
    ],
)
def test_only_files_of_the_data_set_itself_belong_to_it(file, own):
    assert hub._is_of("someone/films", file) is own


def test_a_configuration_and_a_revision_are_asked_for(tmp_path, monkeypatch):
    asked = []

    def builder(source, **how):
        asked.append((source, how))
        raise ValueError("Config name is missing.\nPlease pick one among: ['cola', 'sst2']")

    monkeypatch.setattr(datasets, "load_dataset_builder", builder)
    with pytest.raises(DataError, match=r"name one \(--config\): .*'sst2'") as caught:
        read_source("someone/glue")
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError):
        read_source("someone/glue", ReadOptions(config="sst2", revision="v1.0"))
    assert asked == [
        ("someone/glue", {"name": None, "revision": None}),
        ("someone/glue", {"name": "sst2", "revision": "v1.0"}),
    ]


@pytest.mark.parametrize("option", ["config", "revision"])
def test_only_the_hub_has_configurations(tmp_path, option):
    (tmp_path / "a.csv").write_text("text,label\na film,x\na dull film,y\n")
    with pytest.raises(DataError, match="no data set of the hub"):
        read_source(tmp_path / "a.csv", ReadOptions(**{option: "main"}))
