"""What a version's card says, from what it was made of, and how it reads."""

import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from browser import look
from hypothesis import assume, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from matplotlib import image
from mlflow import MlflowClient
from sklearn.dummy import DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from matminer_compute.errors import CardError, NoProductionVersion
from matminer_compute.model import list_versions, load_data, publish_estimator
from matminer_compute.model.card.limits import limits_of
from matminer_compute.model.card.making import errors_of, intervals_of
from matminer_compute.model.card.markdown import markdown, plain
from matminer_compute.model.card.page import page
from matminer_compute.model.card.record import Figures, read_card
from matminer_compute.model.card.store import Described, find
from matminer_compute.model.importance import importance, told_by
from matminer_compute.model.intervals import Calibration
from matminer_compute.model.plots import calibration_plot
from matminer_compute.model.registry import connected

COVERAGE = {0.5: {"all": 0.51, "2": 0.47}, 0.9: {"all": 0.905, "2": 0.89, "3": 0.91}}
LEVELS = (0.5, 0.8, 0.9, 0.95)


def calibration(coverage, width):
    quantiles = dict.fromkeys(coverage, (1.0,))
    return Calibration(5252, 0.02, (0,), quantiles, coverage, width)


@pytest.fixture(scope="module")
def described(registry):
    return find(tracking_uri=registry.uri)


@pytest.fixture(scope="module")
def card(described):
    return described.card


def test_the_card_is_that_of_the_version(card, registry):
    (version,) = list_versions(tracking_uri=registry.uri)
    assert (card.name, card.version, card.origin) == (version.name, version.version, "training")
    assert (card.property, card.unit) == (version.property, version.unit)
    assert (card.run_id, card.featurizer_version) == (version.run_id, version.featurizer_version)
    assert abs((card.created - version.created).total_seconds()) < 60
    assert card == find(version="1", tracking_uri=registry.uri).card


def test_it_says_what_the_model_was_trained_on(card, registry):
    data = load_data().take(registry.trained.rows)
    assert (card.data.source, card.data.rows) == ("mp_e_form.csv.gz", registry.trained.rows)
    assert (card.data.digest, card.data.attribution) == (data.digest, data.attribution)
    assert (card.data.licence, card.data.left_out) == ("CC BY 4.0", 0)
    assert (card.protocol.estimator, card.protocol.size) == ("random-forest", registry.trees)
    assert (card.protocol.folds, card.protocol.columns) == (5, 145)
    assert {"scikit-learn", "numpy", "python", "matminer-compute"} <= set(card.software)


def test_its_errors_are_those_of_the_run_also_by_number_of_elements(card, registry):
    overall, groups = card.errors.overall, card.errors.by_elements
    metrics = registry.trained.metrics
    assert (overall.mae, overall.rmse) == (metrics["MAE"], metrics["RMSE"])
    assert sum(figures.rows for figures in groups.values()) == overall.rows == card.data.rows
    total = sum(figures.rows * figures.mae for figures in groups.values())
    assert total / overall.rows == pytest.approx(overall.mae)
    assert {size: of.formulas for size, of in card.domain.by_size.items()} == {
        size: figures.rows for size, figures in groups.items()
    }


def test_rows_that_were_not_judged_count_for_nothing():
    target, predicted = np.array([1.0, 2.0, 2.0, 9.0]), np.array([1.5, 2.0, 3.0, np.nan])
    errors = errors_of(target, predicted, np.array([1, 2, 2, 3]))
    assert errors.overall.rows == 3
    assert errors.overall.mae == pytest.approx(0.5)
    assert sorted(errors.by_elements) == [1, 2]
    assert errors.by_elements[2] == Figures(rows=2, mae=0.5, rmse=0.5**0.5, r2=None)
    assert errors_of(target, predicted, None).by_elements == {}


def test_every_element_is_either_held_or_never_seen(card):
    held, never = set(card.domain.by_element), set(card.domain.never)
    assert len(held) + len(never) == len(held | never) == 118
    assert {"O", "Fe"} <= held
    assert {"He", "Og"} <= never
    (sentence,) = [limit for limit in card.limits if limit.startswith("It never saw")]
    assert "He" in sentence
    assert "to Og" in sentence


def test_the_features_that_matter_are_found_by_shuffling_them():
    rng = np.random.default_rng(0)
    labels = ["MagpieData mean MeltingT", "MagpieData mode MeltingT", "2-norm", "avg ionic char"]
    features = rng.normal(size=(300, 4))
    features[:, 1] = features[:, 0]  # one column alone could be shuffled without much harm
    target = features[:, 0] + 0.1 * features[:, 3]
    predicted = []

    def predict(x):
        predicted.append(len(x))
        return (x[:, 0] + x[:, 1]) / 2 + 0.1 * x[:, 3]

    found = importance(predict, features, target, labels, 0)
    assert [each.feature for each in found.first] == ["melting temperature", "ionic character"]
    assert [each.columns for each in found.first] == [2, 1]
    # two values of one normal distribution are apart by 2/sqrt(pi) in the mean
    assert found.first[0].rise == pytest.approx(2 / np.pi**0.5, rel=0.15)
    assert found.first[1].rise == pytest.approx(0.2 / np.pi**0.5, rel=0.15)
    assert found.rows == 300
    assert found == importance(predict, features, target, labels, 0)


@pytest.mark.parametrize("columns", [3, 145, 1013])
def test_finding_them_costs_no_more_however_many_rows_there_are(columns):
    features = np.zeros((20_000, columns))
    predicted = []

    def predict(x):
        predicted.append(len(x))
        return np.zeros(len(x))

    labels = [str(number) for number in range(columns)]
    found = importance(predict, features, np.ones(len(features)), labels, 0)
    assert sum(predicted) <= max(14_000, columns * 20 + 20)
    assert found.first == ()


def test_the_features_of_the_model_are_said_as_a_chemist_says_them(card, registry):
    labels = json.loads(
        Path(
            MlflowClient(registry.uri).download_artifacts(card.run_id, "features.json")
        ).read_text()
    )["labels"]
    told = {told_by(label) for label in labels}
    assert len(told) == 25
    assert not any(re.search(r"[a-z][A-Z]|Data", name) for name in told)
    assert card.features.first[0].feature == "electronegativity"
    assert {each.feature for each in card.features.first} <= told
    rises = [each.rise for each in card.features.first]
    assert rises == sorted(rises, reverse=True)


def test_bars_are_as_long_as_what_they_stand_for(described):
    first = described.card.features.first
    bars = re.findall(r"\| [^|]* \| \d \| \+[\d.]+ \| ([█-▏]+) \|", markdown(described.card))
    widths = [float(width) for width in re.findall(r'<i style="width:([\d.]+)%">', page(described))]
    assert len(bars) == len(widths) == len(first)
    for each, width in zip(first, widths, strict=True):
        assert width == pytest.approx(100 * each.rise / first[0].rise, abs=0.8)


def test_intervals_are_shown_with_the_share_that_they_held(card, tmp_path):
    intervals = intervals_of(calibration(COVERAGE, {0.5: 0.08, 0.9: 0.24}))
    assert list(intervals.coverage) == ["0.5", "0.9"]
    with_them = card.model_copy(update={"intervals": intervals})
    text = markdown(with_them)
    for row in (
        "| elements | 50% | 90% |",
        "| all | 51.0% | 90.5% |",
        "| 3 |  | 91.0% |",
        "| mean width | 0.0800 | 0.240 |",
    ):
        assert row in text
    assert any("hold as often as they say" in limit for limit in limits_of(with_them))
    without = card.model_copy(update={"intervals": None})
    assert any("gives no intervals" in limit for limit in limits_of(without))
    calibration_plot(tmp_path / "calibration.png", intervals.coverage)
    assert len(np.unique(image.imread(tmp_path / "calibration.png"))) > 50


def test_the_page_has_room_for_them_on_a_phone(described, tmp_path):
    levels = {level: {"all": level, **{str(n): level for n in range(1, 9)}} for level in LEVELS}
    intervals = intervals_of(calibration(levels, dict.fromkeys(LEVELS, 0.1234)))
    with_them = described.card.model_copy(update={"intervals": intervals})
    plots = {**described.plots, "calibration": described.plots["parity"]}
    whole = page(Described(with_them, plots))
    assert whole.count("data:image/png") == 2
    for width, seen in look(whole, tmp_path, (390, 1200)).items():
        assert seen["too_wide"] == []
        assert seen["page_width"] <= width
        assert "95.0%" in seen["text"]


def test_limits_follow_from_the_facts(card):
    bad = {2: Figures(rows=40, mae=1.0, rmse=2.0, r2=0.0), 3: Figures(rows=40, mae=0.1)}
    overall = Figures(rows=80, mae=0.55, rmse=1.5, r2=0.05)
    worse = card.model_copy(
        update={"errors": card.errors.model_copy(update={"overall": overall, "by_elements": bad})}
    )
    said = " ".join(limits_of(worse))
    assert "For compositions of 2 elements its mean absolute error is up to 1 eV/atom" in said
    assert "R² is 0.05" in said
    assert "It never saw He, Ne, Ar," in said  # which elements follow each other was not told
    nothing = card.model_copy(update={"errors": None, "domain": None, "data": None})
    said = " ".join(limits_of(nothing))
    assert "Its errors are not known" in said
    assert "no value is marked as outside" in said
    assert "computed, not measured" not in said


def test_what_was_trained_elsewhere_says_what_is_not_known(own_registry, tmp_path):
    import skops.io

    rng = np.random.default_rng(0)
    model = make_pipeline(SimpleImputer(), DummyRegressor())
    model.fit(rng.normal(size=(20, 145)), rng.normal(size=20))
    skops.io.dump(model, tmp_path / "model.skops")
    published = publish_estimator(
        tmp_path / "model.skops",
        property_name="band_gap",
        unit="eV",
        name="Gap",
        tracking_uri=own_registry.uri,
    )
    described = find("Gap", published.version, tracking_uri=own_registry.uri)
    card = described.card
    assert (card.origin, card.property, card.unit) == ("publish", "band_gap", "eV")
    assert card.protocol.estimator == "DummyRegressor"
    assert (card.data, card.errors, card.domain, card.features) == (None, None, None, None)
    text = markdown(card)
    assert text.count("Not known.") == 4
    assert "trained elsewhere" in text
    assert described.plots == {}
    assert "trained elsewhere" in page(described)


@pytest.fixture
def older(own_registry):
    """A version as it was registered before there were cards: the same, of a run without one."""
    with connected(own_registry.uri) as client:
        run = client.get_run(own_registry.trained.run_id)
        bare = client.create_run(run.info.experiment_id)
        for name, value in run.data.metrics.items():
            client.log_metric(bare.info.run_id, name, value)
        for name, value in run.data.params.items():
            client.log_param(bare.info.run_id, name, value)
        client.set_tag(bare.info.run_id, "data_digest", run.data.tags["data_digest"])
        client.log_text(bare.info.run_id, f"{load_data().attribution}\n", "attribution.txt")
        source = client.get_model_version_download_uri("Matminer", "1")
        more = {"source": source, "tags": client.get_model_version("Matminer", "1").tags}
        with_run = client.create_model_version("Matminer", run_id=bare.info.run_id, **more)
        without = client.create_model_version("Matminer", **more)
        return own_registry, str(with_run.version), str(without.version)


def test_a_version_from_before_there_were_cards_is_described_by_its_tags_and_run(older, card):
    registry, with_run, without = older
    old = find(version=with_run, tracking_uri=registry.uri).card
    assert old.origin == "registry"
    assert (old.property, old.unit, old.software) == (
        card.property,
        card.unit,
        {name: number for name, number in card.software.items() if name != "matminer-compute"},
    )
    assert old.errors.overall.mae == card.errors.overall.mae
    assert (old.data.rows, old.data.digest) == (card.data.rows, card.data.digest)
    assert old.data.attribution == card.data.attribution
    assert (old.protocol.estimator, old.protocol.size) == ("random-forest", registry.trees)
    assert "There is no card of this version" in markdown(old)
    nothing = find(version=without, tracking_uri=registry.uri).card
    assert (nothing.property, nothing.errors, nothing.data) == (card.property, None, None)
    assert "There is no card of this version" in markdown(nothing)
    assert not any("marked as outside" in limit for limit in nothing.limits)  # it may well be


def test_a_card_that_cannot_be_read_is_one_sentence(registry):
    for text in ("", "{}", '{"format": 2}', "[1]", '{"format": 1, "mae": NaN}'):
        with pytest.raises(CardError, match=r"card of M is not of format 1") as caught:
            read_card(text, "M")
        assert "\n" not in str(caught.value)
    with pytest.raises(NoProductionVersion, match=r"'Matminer' has no version 7 .*; it has 1"):
        find(version="7", tracking_uri=registry.uri)
    with pytest.raises(NoProductionVersion, match=r"is marked 'Staging'"):
        find(version="Staging", tracking_uri=registry.uri)
    with pytest.raises(CardError, match=r"'Matminer Featurizer' is not a model"):
        find("Matminer Featurizer", "1", tracking_uri=registry.uri)


def test_a_card_survives_being_written(card):
    assert read_card(card.model_dump_json(), "it") == card


@given(st.text() | st.text("_*`~[]()<>&|\\#!:0a ."))
def test_foreign_text_in_markdown_is_text(text):
    """Whatever it is, a reader sees it as it was given, on one line; nothing of it is markup."""
    assume(text.isprintable() and text.strip())
    reader = MarkdownIt("commonmark").enable("table")
    inside = re.fullmatch(r"<p>(.*)</p>\n", reader.render(f"x {plain(text)} x"))[1]
    assert unescape(inside) == f"x {' '.join(text.split())} x"
    cell = reader.render(f"| a |\n| - |\n| {plain(text)} |")
    assert unescape(re.search(r"<td>(.*)</td>", cell)[1]) == " ".join(text.split())


def test_foreign_names_stay_on_their_line(card):
    evil = "a\n# b <img src=x onerror=alert(1)> | [c](http://e.example) \x1b[2J\u202e"
    text = markdown(card.model_copy(update={"property": evil, "unit": evil, "name": evil}))
    assert "\x1b" not in text
    assert "\u202e" not in text
    rendered = MarkdownIt("commonmark").enable("table").render(text)
    assert not {"<img", "<a "} & set(re.findall(r"<\w+ ?", rendered))
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
