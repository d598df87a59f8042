"""The flat forest against scikit-learn: the same bits, or no flat forest at all."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from matminer_compute.model import forest as layout
from matminer_compute.model.featurizer import KERNELS
from matminer_compute.model.forest import write_forest

ARTIFACT = Path(layout.__file__).parent / "artifacts" / "regressor.py"


def _artifact() -> ModuleType:
    """The artifact as a worker has it: a file under a name that nobody imports."""
    spec = importlib.util.spec_from_file_location("regressor_under_test", ARTIFACT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


artifact = _artifact()
kernels = artifact.import_beside(str(KERNELS), "for_forests")


def _data(rows: int, columns: int, seed: int, missing: float = 0.1) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, columns)) * 10.0 ** rng.integers(-3, 6, columns)
    features[:, 0] = rng.integers(0, 4, rows)  # ties
    target = np.sin(features[:, 0]) + rng.normal(size=rows)
    features[rng.random(features.shape) < missing] = np.nan
    return features, target


def _flat(pipeline: Any, folder: Path) -> Any:
    assert write_forest(pipeline, folder)
    return artifact.FlatForest(folder, kernels)


def _tree_predictions(pipeline: Any, features: Any) -> Any:
    final = pipeline[-1] if isinstance(pipeline, Pipeline) else pipeline
    if isinstance(pipeline, Pipeline) and len(pipeline) > 1:
        features = pipeline[:-1].transform(features)
    return np.stack([tree.predict(features) for tree in final.estimators_])


def _assert_same(flat: Any, pipeline: Any, features: Any) -> None:
    values, spread = flat.regress(features)
    np.testing.assert_array_equal(values, pipeline.predict(features), strict=True)
    trees = _tree_predictions(pipeline, features)
    scale = np.abs(trees).max(initial=1e-300)
    np.testing.assert_allclose(spread, trees.std(axis=0), rtol=1e-11, atol=1e-14 * scale)
    flat.aggregate = "median"
    middle, same_spread = flat.regress(features)
    flat.aggregate = "mean"
    np.testing.assert_array_equal(middle, np.median(trees, axis=0), strict=True)
    np.testing.assert_array_equal(same_spread, spread)


# ------------------------------------------------------------------------------- the same bits


FORESTS = {
    "default": RandomForestRegressor(10, random_state=0),
    "one tree": RandomForestRegressor(1, random_state=0),
    "no bootstrap": RandomForestRegressor(5, bootstrap=False, max_features=0.5, random_state=0),
    "stumps": RandomForestRegressor(7, max_depth=1, random_state=0),
    "best first": RandomForestRegressor(7, max_leaf_nodes=13, random_state=0),
    "pruned": RandomForestRegressor(7, ccp_alpha=0.05, random_state=0),
    "absolute error": RandomForestRegressor(4, criterion="absolute_error", random_state=0),
    "large leaves": RandomForestRegressor(7, min_samples_leaf=20, random_state=0),
    "monotonic": RandomForestRegressor(4, monotonic_cst=[1, -1, 0, 0, 0, 0], random_state=0),
    "extra trees": ExtraTreesRegressor(10, random_state=0),
    "extra trees, bootstrap": ExtraTreesRegressor(10, bootstrap=True, random_state=0),
    "extra trees, best first": ExtraTreesRegressor(5, max_leaf_nodes=9, random_state=0),
}


@pytest.mark.parametrize("forest", FORESTS.values(), ids=FORESTS.keys())
@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent"])
def test_equals_the_pipeline_behind_an_imputer(forest: Any, strategy: str, tmp_path: Path) -> None:
    features, target = _data(300, 6, seed=1)
    pipeline = make_pipeline(SimpleImputer(strategy=strategy), forest).fit(features, target)
    unseen, _ = _data(500, 6, seed=2, missing=0.3)
    _assert_same(_flat(pipeline, tmp_path), pipeline, np.vstack([features, unseen]))


@pytest.mark.parametrize("wrap", [lambda f: f, make_pipeline], ids=["bare", "pipeline"])
@pytest.mark.parametrize("missing", [0.0, 0.2], ids=["trained whole", "trained with gaps"])
@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_equals_a_forest_that_routes_missing_values(
    kind: Any, missing: float, wrap: Any, tmp_path: Path
) -> None:
    features, target = _data(300, 6, seed=3, missing=missing)
    features[features[:, 1] > 0, 1] = np.nan  # so that being missing tells something
    model = wrap(kind(20, random_state=0)).fit(features, target)
    unseen, _ = _data(500, 6, seed=4, missing=0.5)
    _assert_same(_flat(model, tmp_path), model, unseen)


def test_a_step_that_passes_everything_through_is_no_step(tmp_path: Path) -> None:
    features, target = _data(100, 3, seed=5)
    forest = RandomForestRegressor(5, random_state=0)
    pipeline = Pipeline([("scale", "passthrough"), ("fill", SimpleImputer()), ("forest", forest)])
    pipeline.fit(features, target)
    _assert_same(_flat(pipeline, tmp_path), pipeline, features)


def test_columns_never_seen_in_training(tmp_path: Path) -> None:
    features, target = _data(200, 5, seed=6)
    features[:, 2] = np.nan
    pipeline = make_pipeline(SimpleImputer(), ExtraTreesRegressor(8, random_state=0))
    with pytest.warns(UserWarning, match="without any observed values"):
        pipeline.fit(features, target)
    unseen, _ = _data(200, 5, seed=7)
    with pytest.warns(UserWarning, match="without any observed values"):
        _assert_same(_flat(pipeline, tmp_path / "dropped"), pipeline, unseen)

    kept = make_pipeline(SimpleImputer(keep_empty_features=True), RandomForestRegressor(5))
    kept.fit(features, target)
    _assert_same(_flat(kept, tmp_path / "kept"), kept, unseen)


def test_trees_of_a_single_leaf(tmp_path: Path) -> None:
    features, _ = _data(50, 3, seed=8)
    forest = RandomForestRegressor(6, bootstrap=False)
    constant = make_pipeline(SimpleImputer(), forest).fit(features, np.full(50, 0.1))
    flat = _flat(constant, tmp_path)
    assert (flat.roots < 0).all()
    values, spread = flat.regress(features)
    np.testing.assert_array_equal(values, constant.predict(features))
    assert (spread == 0.0).all()  # equal trees differ by nothing, not by a rounding error


def test_one_tree_has_no_spread(tmp_path: Path) -> None:
    features, target = _data(80, 3, seed=9)
    pipeline = make_pipeline(SimpleImputer(), RandomForestRegressor(1)).fit(features, target)
    assert (_flat(pipeline, tmp_path).regress(features)[1] == 0.0).all()


def test_spread_survives_a_large_offset(tmp_path: Path) -> None:
    # Differences of squares would keep no digit here: 1e9 squared, spread near 1.
    features, target = _data(200, 4, seed=10)
    pipeline = make_pipeline(SimpleImputer(), RandomForestRegressor(50, random_state=0))
    pipeline.fit(features, target + 1e9)
    _, spread = _flat(pipeline, tmp_path).regress(features)
    expected = _tree_predictions(pipeline, features).std(axis=0)
    np.testing.assert_allclose(spread, expected, rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 63, 64, 2047, 2048, 2049, 5000])
@pytest.mark.parametrize("threads", ["", "1", "2", "64"])
def test_blocks_and_threads_do_not_change_a_bit(
    rows: int, threads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (artifact.WORTH_ORDERING, artifact.BLOCK_ROWS) == (64, 2048)  # rows are about these
    features, target = _data(150, 4, seed=11)
    pipeline = make_pipeline(SimpleImputer(), RandomForestRegressor(7, random_state=0))
    pipeline.fit(features, target)
    flat = _flat(pipeline, tmp_path)
    many, _ = _data(9000, 4, seed=12)
    whole = flat.regress(many)
    monkeypatch.setenv("MATMINER_COMPUTE_THREADS", threads)
    values, spread = flat.regress(many[:rows])
    np.testing.assert_array_equal(values, pipeline.predict(many[:rows]))
    np.testing.assert_array_equal(values, whole[0][:rows])
    np.testing.assert_array_equal(spread, whole[1][:rows])


def test_views_and_other_orders_of_the_same_numbers(tmp_path: Path) -> None:
    features, target = _data(200, 6, seed=13)
    pipeline = make_pipeline(SimpleImputer(), RandomForestRegressor(5)).fit(features, target)
    flat = _flat(pipeline, tmp_path)
    expected = pipeline.predict(features)
    before = features.copy()
    read_only = features.copy()
    read_only.setflags(write=False)
    for same in (np.asfortranarray(features), np.repeat(features, 2, axis=1)[:, ::2], read_only):
        np.testing.assert_array_equal(flat.regress(same)[0], expected)
    flat.regress(features)
    np.testing.assert_array_equal(features, before)  # the caller's array is left as it was


ORDINARY = st.sampled_from([0.0, -0.0, 1.0, 2.0, 3.0, np.nan])
WIDE = st.floats(-3e38, 3e38, allow_nan=False) | st.just(np.nan) | st.floats(-1e-40, 1e-40)


@st.composite
def _problems(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    columns, rows = draw(st.integers(1, 5)), draw(st.integers(1, 25))
    numbers = draw(st.sampled_from([ORDINARY, WIDE, ORDINARY | WIDE]))
    cells = draw(st.lists(numbers, min_size=columns * rows, max_size=columns * rows))
    target = draw(st.lists(st.floats(-1e6, 1e6), min_size=rows, max_size=rows))
    features = np.array(cells).reshape(rows, columns)
    kind = draw(st.sampled_from([RandomForestRegressor, ExtraTreesRegressor]))
    forest = kind(
        draw(st.integers(1, 6)),
        max_depth=draw(st.sampled_from([None, 1, 3])),
        max_leaf_nodes=draw(st.sampled_from([None, 4])),
        bootstrap=draw(st.booleans()),
        criterion=draw(st.sampled_from(["squared_error", "absolute_error", "friedman_mse"])),
        random_state=draw(st.integers(0, 99)),
    )
    imputed = draw(st.booleans())
    fill = SimpleImputer(
        strategy=draw(st.sampled_from(["mean", "median", "most_frequent"])),
        keep_empty_features=draw(st.booleans()),
    )
    return make_pipeline(fill, forest) if imputed else forest, features, np.array(target)


@settings(max_examples=150, deadline=None)
@given(_problems())
@pytest.mark.filterwarnings("ignore")
def test_any_forest_equals_or_is_left_to_scikit_learn(problem: tuple[Any, Any, Any]) -> None:
    pipeline, features, target = problem
    try:
        pipeline.fit(features, target)
    except ValueError:
        return  # nothing observed at all, or a mean beyond float32: no model to speak of
    folder = Path(tempfile.mkdtemp())
    try:
        if not write_forest(pipeline, folder):
            return
        flat = artifact.FlatForest(folder, kernels)
        # Every threshold, and the float32 on either side of it, is where rounding would show.
        edges = np.repeat(flat.nodes["threshold"], 3).reshape(-1, 3)
        edges[:, 0] = np.nextafter(edges[:, 1], np.float32(-3e38))
        edges[:, 2] = np.nextafter(edges[:, 1], np.float32(3e38))
        edges = edges[np.isfinite(edges).all(axis=1)].ravel().astype(np.float64)
        probes = np.repeat(edges, features.shape[1]).reshape(-1, features.shape[1])
        questions = np.vstack([features, probes])
        try:
            expected = pipeline.predict(questions)
        except ValueError:
            with pytest.raises(ValueError, match="infinity or a value too large"):
                flat.regress(questions)
            return
        values, spread = flat.regress(questions)
        np.testing.assert_array_equal(values, expected)
        trees = _tree_predictions(pipeline, questions)
        np.testing.assert_allclose(
            spread, trees.std(axis=0), rtol=1e-9, atol=1e-14 * np.abs(target).max(initial=1.0)
        )
    finally:
        shutil.rmtree(folder)


@given(st.lists(st.floats(allow_nan=False), min_size=1), st.data())
@settings(deadline=None)
def test_rounding_down_decides_as_the_float64_threshold(
    thresholds: list[float], data: st.DataObject
) -> None:
    exact = np.array(thresholds)
    rounded = layout._round_down(exact)
    assert rounded.dtype == np.float32
    with np.errstate(over="ignore"):
        above, below = (np.nextafter(rounded, np.float32(end)) for end in (np.inf, -np.inf))
    near = np.concatenate([below, rounded, above])
    drawn = data.draw(st.lists(st.floats(width=32, allow_nan=False), max_size=5))
    for x in np.concatenate([near, np.array(drawn, np.float32)]):
        np.testing.assert_array_equal(x <= rounded, np.float64(x) <= exact)


# ------------------------------------------------------------------- what scikit-learn answers


_Subclass = type("_Subclass", (RandomForestRegressor,), {})  # may predict in a way of its own

LEFT_TO_SCIKIT_LEARN = {
    "boosting": make_pipeline(SimpleImputer(), HistGradientBoostingRegressor(max_iter=3)),
    "bare boosting": GradientBoostingRegressor(n_estimators=3),
    "another imputer": make_pipeline(KNNImputer(), RandomForestRegressor(3)),
    "indicator": make_pipeline(SimpleImputer(add_indicator=True), RandomForestRegressor(3)),
    "missing is zero": make_pipeline(SimpleImputer(missing_values=0.0), RandomForestRegressor(3)),
    "another step": make_pipeline(SimpleImputer(), StandardScaler(), RandomForestRegressor(3)),
    "other order": make_pipeline(StandardScaler(), SimpleImputer(), RandomForestRegressor(3)),
    "subclass": make_pipeline(SimpleImputer(), _Subclass(3)),
    "constant": make_pipeline(SimpleImputer(strategy="constant"), RandomForestRegressor(3)),
    "no trees": make_pipeline(SimpleImputer(), "passthrough"),
}


@pytest.mark.parametrize("pipeline", LEFT_TO_SCIKIT_LEARN.values(), ids=LEFT_TO_SCIKIT_LEARN)
def test_other_pipelines_are_left_to_scikit_learn(pipeline: Any, tmp_path: Path) -> None:
    whole = isinstance(pipeline, GradientBoostingRegressor) or pipeline.steps[0][1] != "imputer"
    features, target = _data(60, 4, seed=14, missing=0.0 if whole else 0.1)
    pipeline.fit(features, target)
    assert write_forest(pipeline, tmp_path / "forest") is False
    assert not (tmp_path / "forest").exists()


def test_more_than_one_output_is_left_to_scikit_learn(tmp_path: Path) -> None:
    features, target = _data(60, 4, seed=15)
    pipeline = make_pipeline(SimpleImputer(), ExtraTreesRegressor(3))
    pipeline.fit(features, np.column_stack([target, target]))
    assert write_forest(pipeline, tmp_path / "forest") is False


def test_an_imputer_in_single_precision_is_left_to_scikit_learn(tmp_path: Path) -> None:
    features, target = _data(60, 4, seed=16)
    pipeline = make_pipeline(SimpleImputer(), RandomForestRegressor(3))
    pipeline.fit(features.astype(np.float32), target)
    assert write_forest(pipeline, tmp_path / "forest") is False


def test_a_fill_value_beyond_single_precision_is_left_to_scikit_learn(tmp_path: Path) -> None:
    features, target = _data(60, 4, seed=17, missing=0.0)
    huge = SimpleImputer().fit(np.full((2, 4), 1e300))
    forest = RandomForestRegressor(3).fit(features, target)
    assert write_forest(Pipeline([("fill", huge), ("forest", forest)]), tmp_path) is False
    assert list(tmp_path.iterdir()) == []


def test_an_unfitted_forest_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        write_forest(make_pipeline(SimpleImputer(), RandomForestRegressor(3)), tmp_path)


# ------------------------------------------------------------------------ what is not answered


@pytest.mark.parametrize("number", [np.inf, -np.inf, 1e39, -1e300])
def test_refuses_what_scikit_learn_refuses(number: float, tmp_path: Path) -> None:
    features, target = _data(60, 4, seed=18)
    pipeline = make_pipeline(SimpleImputer(), RandomForestRegressor(3)).fit(features, target)
    flat = _flat(pipeline, tmp_path)
    features[59, 3] = number
    for regress in (pipeline.predict, flat.regress):
        with pytest.raises(ValueError, match="contains infinity or a value too large"):
            regress(features)


def test_a_number_of_threads_is_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features, target = _data(60, 4, seed=22)
    pipeline = make_pipeline(SimpleImputer(), RandomForestRegressor(3)).fit(features, target)
    monkeypatch.setenv("MATMINER_COMPUTE_THREADS", "many")
    with pytest.raises(ValueError, match="MATMINER_COMPUTE_THREADS must be a whole number"):
        _flat(pipeline, tmp_path).regress(features)


def test_refuses_another_number_of_features(tmp_path: Path) -> None:
    features, target = _data(60, 4, seed=19)
    pipeline = make_pipeline(SimpleImputer(), RandomForestRegressor(3)).fit(features, target)
    flat = _flat(pipeline, tmp_path)
    for wrong in (features[:, :3], np.hstack([features, features])):
        for regress in (pipeline.predict, flat.regress):
            with pytest.raises(ValueError, match=f"{wrong.shape[1]} features"):
                regress(wrong)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    features, target = _data(100, 4, seed=20)
    pipeline = make_pipeline(SimpleImputer(), RandomForestRegressor(5, random_state=0))
    assert write_forest(pipeline.fit(features, target), tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["nodes", "roots", "inputs"])
@pytest.mark.parametrize("lost", [1, 64, 0.5, 1.0])
def test_a_truncated_file_is_an_error(written: Path, name: str, lost: float) -> None:
    path = written / f"{name}.npy"
    content = path.read_bytes()
    gone = lost if isinstance(lost, int) else int(len(content) * lost)
    path.write_bytes(content[: len(content) - gone])
    with pytest.raises((ValueError, EOFError)):
        artifact.FlatForest(written, kernels)


@pytest.mark.parametrize("name", ["nodes", "roots", "inputs"])
def test_a_file_of_other_content_is_an_error(written: Path, name: str) -> None:
    path = written / f"{name}.npy"
    array = np.load(path, allow_pickle=False)
    for other in (array[:-1], np.zeros(7, np.int16), array[None]):
        np.save(path, other, allow_pickle=False)
        with pytest.raises(ValueError, match=r"damaged|holds"):
            artifact.FlatForest(written, kernels)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("nodes", "step", 0),  # on the spot: a walk without end
        ("nodes", "step", 1 << 2),  # both children in one place
        ("nodes", "step", (1 << 30) - 4),
        ("nodes", "step", 2 << 2 | 3),
        ("inputs", "column", 4),
        ("inputs", "column", -1),
        ("roots", None, 2**31 - 1),
        ("roots", None, -(2**31)),
        ("roots", None, 0),
    ],
)
def test_a_walk_never_leaves_the_arrays(
    written: Path, name: str, field: str | None, value: int
) -> None:
    array = np.load(written / f"{name}.npy", allow_pickle=False)
    # A root is an inner node for sure; any other place may be a leaf, which holds any bits.
    place = np.load(written / "roots.npy")[2] if name == "nodes" else len(array) // 2
    (array if field is None else array[field])[place] = value
    np.save(written / f"{name}.npy", array, allow_pickle=False)
    with pytest.raises(ValueError, match="damaged"):
        artifact.FlatForest(written, kernels)


def test_inputs_are_as_many_as_the_nodes_read(written: Path) -> None:
    inputs = np.load(written / "inputs.npy")
    np.save(written / "inputs.npy", inputs[:-1])
    with pytest.raises(ValueError, match="damaged"):
        artifact.FlatForest(written, kernels)


def test_a_tree_never_runs_into_another(written: Path) -> None:
    nodes = np.load(written / "nodes.npy", allow_pickle=False)
    first, second = np.load(written / "roots.npy", allow_pickle=False)[:2]
    nodes["step"][first] = (second - first) << 2
    np.save(written / "nodes.npy", nodes)
    with pytest.raises(ValueError, match="damaged"):
        artifact.FlatForest(written, kernels)


def test_another_format_is_an_error(written: Path) -> None:
    about = json.loads((written / "forest.json").read_text(encoding="utf-8"))
    (written / "forest.json").write_text(json.dumps(about | {"format": 99}), encoding="utf-8")
    with pytest.raises(ValueError, match="format 99"):
        artifact.FlatForest(written, kernels)


def test_writer_and_reader_mean_the_same_layout() -> None:
    assert layout.NODE == kernels.NODE
    assert layout.INPUT == artifact.INPUT
    assert layout.FOREST_FORMAT == artifact.FOREST_FORMAT


def test_two_forests_give_the_same_files(tmp_path: Path) -> None:
    features, target = _data(100, 4, seed=21)
    pipeline = make_pipeline(SimpleImputer(), RandomForestRegressor(5, random_state=0))
    pipeline.fit(features, target)
    assert write_forest(pipeline, tmp_path / "one")
    assert write_forest(pipeline, tmp_path / "two")
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
