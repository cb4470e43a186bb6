"""A project on features of the user's own: each row has its numbers, and no encoder ever runs."""

import numpy as np
import pandas as pd
import pytest

from influence_core.data.options import ReadOptions
from influence_core.errors import DataError, ModelError, StoreError
from influence_core.store.project import Project
from influence_core.workflow.explain.items import find_item, own_item
from influence_core.workflow.projects.create import NewProject, create
from influence_core.workflow.review.copies import all_copies
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train
from influence_core.workflow.train.predict import predict

N, D = 120, 6
FAST = TrainOptions(members=4, width=16, epochs=2, device="cpu")
RNG = np.random.default_rng(0)
LABELS = np.arange(N) % 2
X = (RNG.normal(size=(N, D)) + LABELS[:, None]).astype(np.float32)


@pytest.fixture(autouse=True)
def no_encoder(monkeypatch):
    """Whoever loads weights has not understood."""

    def refuse(*arguments):
        raise AssertionError("an encoder was loaded")

    from influence_core.models import encoders

    for scheme, (modality, _) in list(encoders.SCHEMES.items()):
        monkeypatch.setitem(encoders.SCHEMES, scheme, (modality, refuse))


def table(**more):
    return pd.DataFrame(
        {"id": [f"r{i}" for i in range(N)], "age": range(N), "label": LABELS} | more
    )


def made(folder, frame=None, features=X, *, encoder=None, test=None, **options):
    """The project of a CSV and an array; `features` may be a path or the name of a column."""
    frame = table() if frame is None else frame
    frame.to_csv(folder / "rows.csv", index=False)
    if isinstance(features, np.ndarray):
        np.save(folder / "own.npy", features)
        features = str(folder / "own.npy")
    chosen = ReadOptions(features=features, label_column="label", **options)
    request = NewProject(str(folder / "rows.csv"), test=test, encoder=encoder, options=chosen)
    return create(request, folder / "home")


def rows_of(project):
    """Each row's number in the source, by split, from its id."""
    return {s.name: np.array([int(i[1:]) for i in s.ids]) for s in project.dataset}


def assert_placed(project, values=X):
    for name, rows in rows_of(project).items():
        assert np.allclose(project.features(name), values[rows], atol=2e-3)


def test_rows_keep_their_features_where_splits_are_cut_and_rows_left_out(tmp_path):
    frame = table()
    frame["label"] = frame["label"].astype(object)
    frame.loc[[3, 77], "label"] = None
    project = made(tmp_path, frame, bad_rows="drop")
    assert sum(map(len, project.dataset)) == N - 2
    assert_placed(project)


def test_a_project_of_features_alone_trains_explains_and_scores(tmp_path):
    project = made(tmp_path)
    assert project.settings.modality == "table"
    assert project.settings.encoder == f"own:{D}"
    train(project, FAST)
    session = open_session(project, device="cpu")
    item = find_item(session, "test", int(project.dataset.split("test").keys[0]))
    assert item.proba.shape == (2,)
    with pytest.raises(ModelError, match="made elsewhere"):
        own_item(session, "age: 7")
    assert project.dataset.train.texts([0])[0].startswith("age: ")


def test_texts_keep_their_kind_and_what_is_typed_in_needs_an_encoder(tmp_path):
    texts = [f"a sentence with some words {i}" for i in range(N)]
    project = made(tmp_path, table(text=texts))
    assert project.settings.modality == "text"
    train(project, FAST)
    with pytest.raises(ModelError, match="--encoder"):
        own_item(open_session(project, device="cpu"), "a sentence")


def test_files_of_their_own_for_each_split(tmp_path):
    other = table().iloc[:40].assign(id=[f"r{i}" for i in range(40)])
    other.to_csv(tmp_path / "test.csv", index=False)
    np.save(tmp_path / "t.npy", X[:40] + 1)
    project = made(tmp_path, test=str(tmp_path / "test.csv"), test_features=str(tmp_path / "t.npy"))
    rows = rows_of(project)
    assert np.allclose(project.features("test"), X[rows["test"]] + 1, atol=4e-3)
    assert np.allclose(project.features("valid"), X[rows["valid"]], atol=2e-3)


def test_ids_go_before_positions(tmp_path):
    order = RNG.permutation(N)
    ids = np.array([f"r{i}" for i in order])
    np.savez(tmp_path / "own.npz", features=X[order], ids=ids)
    assert_placed(made(tmp_path, features=str(tmp_path / "own.npz")))


def test_a_column_of_lists_is_taken_and_kept_once(tmp_path):
    frame = table(emb=list(X))
    frame.to_parquet(tmp_path / "rows.parquet")
    options = ReadOptions(features="emb", label_column="label")
    project = create(NewProject(str(tmp_path / "rows.parquet"), options=options), tmp_path / "home")
    assert_placed(project)
    assert project.dataset.train.extra_columns == ["age"]
    assert project.features("train").filename  # mapped


def test_columns_of_very_different_size_are_kept_in_their_deviations(tmp_path):
    values = X.astype(np.float64) * [1, 1e-7, 1e6, 1e12, 1, 1] + [0, 0, 0, 0, 1e5, 0]
    project = made(tmp_path, features=values)
    train_rows = rows_of(project)["train"]
    mean, deviation = values[train_rows].mean(0), values[train_rows].std(0)
    assert_placed(project, (values - mean) / deviation)
    assert any("units of its deviation" in told for told in project.header.source.told)


def test_the_same_features_for_other_contents_are_told(tmp_path):
    twice = X.copy()
    twice[1:4] = twice[0]
    told = made(tmp_path, features=twice).header.source.told
    assert any("same features as a row of another content" in sentence for sentence in told)


def test_rows_without_labels_are_predicted_from_their_features(tmp_path):
    table().drop(columns="label").iloc[:30].to_csv(tmp_path / "test.csv", index=False)
    np.save(tmp_path / "t.npy", X[:30])
    project = made(
        tmp_path, test=str(tmp_path / "test.csv"), test_features=str(tmp_path / "t.npy"),
        test_share=0.0,
    )  # fmt: skip
    train(project, FAST)
    assert len(predict(open_session(project, device="cpu"))) == 30


def test_rows_to_predict_without_features_are_a_sentence(tmp_path):
    table().drop(columns="label").iloc[:30].to_csv(tmp_path / "test.csv", index=False)
    project = made(tmp_path, test=str(tmp_path / "test.csv"), test_share=0.0)
    train(project, FAST)
    with pytest.raises(DataError, match="no features"):
        predict(open_session(project, device="cpu"))


def with_one(value, row=5):
    values = X.astype(np.float64)
    values[row, 2] = value
    return values


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (X[:-1], "has 119 rows of features, and train has"),
        (with_one(np.nan), "holds nan for row 'r5'"),
        (with_one(np.inf), "holds inf for row 'r5'"),
        (with_one(1e30), r"holds 1e\+30 for row 'r5'"),
        (np.ones_like(X), "same features"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_nothing_is_made(tmp_path, values, says):
    with pytest.raises(DataError, match=says):
        made(tmp_path, features=values)
    assert not any((tmp_path / "home").iterdir())


def test_numbers_of_rows_that_are_left_out_do_not_matter(tmp_path):
    frame = table()
    frame["label"] = frame["label"].astype(object)
    frame.loc[5, "label"] = None
    assert_placed(made(tmp_path, frame, with_one(np.nan), bad_rows="drop"))


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ([f"q{i}" for i in range(N)], "no features for"),
        (["r0"] * N, "'r0' stands twice"),
        ([f"r{i}" for i in range(N - 1)] + ["z"], "no features for 1 of .*'r119'"),
    ],
)
def test_ids_that_disagree_are_one_sentence(tmp_path, ids, says):
    np.savez(tmp_path / "own.npz", features=X, ids=np.array(ids))
    with pytest.raises(DataError, match=says):
        made(tmp_path, features=str(tmp_path / "own.npz"))
    assert not any((tmp_path / "home").iterdir())


def test_ids_need_a_column_of_ids(tmp_path):
    np.savez(tmp_path / "own.npz", features=X, ids=np.arange(N))
    with pytest.raises(DataError, match="no column of the data holds ids"):
        made(tmp_path, table().drop(columns="id"), str(tmp_path / "own.npz"))


def test_splits_in_other_files_and_of_other_widths_are_refused(tmp_path):
    table().iloc[:40].to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(DataError, match="--test-features"):
        made(tmp_path, test=str(tmp_path / "test.csv"))
    np.save(tmp_path / "t.npy", X[:40, :2])
    with pytest.raises(DataError, match=r"6 of own\.npy and 2 of t\.npy"):
        made(tmp_path, test=str(tmp_path / "test.csv"), test_features=str(tmp_path / "t.npy"))


def test_an_encoder_beside_features_and_a_table_without_them_are_refused(tmp_path):
    with pytest.raises(DataError, match="place of an encoder"):
        made(tmp_path, encoder="minilm")
    with pytest.raises(DataError, match="--features"):
        made(tmp_path, features=None, content_column="*")


def test_the_users_file_may_go_and_a_damaged_copy_is_a_sentence(tmp_path):
    project = made(tmp_path)
    (tmp_path / "own.npy").write_bytes(b"")
    train(project, FAST)
    path = project.features_path("train")
    path.write_bytes(path.read_bytes()[:200])
    again = Project.open(project.root)
    with pytest.raises(StoreError, match="turnover new --features"):
        train(again, FAST)
    with pytest.raises(StoreError, match=r"train\.npy is damaged"):
        open_session(again, device="cpu")


def test_rows_whose_features_are_nearly_the_same_are_copies(tmp_path):
    near = np.vstack([X[:100], X[:20] * (1 + 1e-4 * RNG.normal(size=(20, D)))])
    near[:, 3] *= 1000  # no column counts more than another
    near[99] = near[50]
    near[99, 1] += 0.3 * near[:, 1].std()  # a third of a deviation apart: another row
    project = made(tmp_path, features=near.astype(np.float32))
    numbers = rows_of(project)
    found = {
        frozenset(int(numbers[split][at]) for split, at in one.rows) for one in all_copies(project)
    }
    assert found == {frozenset((i, 100 + i)) for i in range(20)}


def test_few_columns_tell_no_copies(tmp_path):
    project = made(tmp_path, features=np.vstack([X[:60], X[:60]])[:, :3])
    assert all_copies(project) == []
