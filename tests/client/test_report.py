"""The page of a screening, as somebody sees it in a browser."""

import csv
import dataclasses
import gzip
import math
import random
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from browser import look, screenshot
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import image

from matminer_compute.client import CompositionClient, FileUnusable, PackageMissing
from matminer_compute.client.numerals import significant
from matminer_compute.client.report import check_report, write_report
from matminer_compute.client.report.distribution import bins_of, quantile
from matminer_compute.client.report.markup import duration, rate, share, text
from matminer_compute.client.report.provenance import public_command
from matminer_compute.client.row import Row
from matminer_compute.client.screened import Screening
from matminer_compute.client.tally import Histogram, Tally

BUNDLED = Path(__file__).parents[2] / "model" / "data" / "mp_e_form.csv.gz"
PHONE, DESK = 390, 1200
DIRTY = ["rust", "Fe2O3 (hematite)", "Na+", "", None, "CuSO4.5H2O", "LiFePO4; NaCl", "O7-x"]
STARTED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
EVIL = '<img src="http://e.example/x" onerror="alert(1)">&amp;\u202e\x1b[2J\ud800'


def screening_of(result, **more):
    """What a screening of the same formulas would have said."""
    tally = Tally()
    tally.add(result.formulas, result.values, result.rejected, result.outside)
    ranked = sorted((row for row in result if math.isfinite(row.value)), key=lambda row: row.value)
    about = {
        "output": Path("predicted.parquet"),
        "property": result.property,
        "unit": result.unit,
        "tally": tally,
        "lowest": ranked[:10],
        "highest": ranked[::-1][:10],
        "first": list(result[:10]),
        "kept": len(result),
        "failed": 0,
        "model": result.model,
        "featurizer": result.featurizer,
        "endpoints": ["embedded"],
        "command": "matminer-compute screen candidates.csv -o predicted.parquet",
        "started": STARTED,
        "ended": STARTED + timedelta(minutes=3, seconds=20),
    }
    return Screening(**about | more)


@pytest.fixture(scope="module")
def result(endpoint):
    rng = random.Random(5)
    with gzip.open(BUNDLED, "rt", encoding="utf-8") as file:
        known = [row["formula"] for row in csv.DictReader(file)]
    formulas = rng.sample(known, 300) + DIRTY * 3 + ["Fe203"]
    rng.shuffle(formulas)
    with CompositionClient(endpoint=endpoint) as client:
        return client.predict(formulas)


@pytest.fixture(scope="module")
def screening(result):
    return screening_of(result)


@pytest.fixture(scope="module")
def page(screening, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(screening, path)
    return path


@pytest.fixture(scope="module")
def seen(page, tmp_path_factory):
    whole = page.read_text(encoding="utf-8")
    return look(whole, tmp_path_factory.mktemp("seen"), (PHONE, DESK))


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_all_of_it_is_seen_and_nothing_is_too_wide(seen, screening, width):
    shown = seen[width]
    assert shown["too_wide"] == []
    assert shown["page_width"] <= width
    for heading in ("Distribution of the predicted values", "Lowest and highest", "By element",
                    "Outside the training data", "Rejected rows", "Provenance"):  # fmt: skip
        assert heading in shown["text"]
    (plot,) = shown["plots"]
    assert plot > 0.6 * min(width, 800)
    assert re.search(rf"\brows\s+{screening.rows}\b", shown["text"])


def test_the_figures_are_those_of_the_screening(seen, screening, result):
    text = re.sub(r"\s+", " ", seen[DESK]["text"])
    assert "325 candidates screened with Matminer version 1 in 3 min 20 s" in text
    assert "rows 325 1.6 a second" in text
    assert f"rejected {len(result.rejected)} " in text
    outside = len(result.outside)
    of_all = 325 - len(result.rejected)
    assert f"{outside} of {of_all} values" in text
    for row in (screening.lowest[0], screening.highest[-1]):
        assert re.sub(r"\s", "", str(row.formula)) in re.sub(r"\s", "", text)
        assert significant(row.value, 4).replace("-", "−") in text
    for kind, count in screening.tally.rejected.items():
        assert f"{kind} {count}" in text
    assert "matminer-compute screen candidates.csv -o predicted.parquet" in text
    assert result.model["run_id"] in text
    assert result.featurizer["schema"] in text
    assert "2026-03-04 05:06:07 UTC" in text


def test_the_distribution_says_where_the_values_lie(seen, result):
    values = result.values[np.isfinite(result.values)]
    said = re.search(r"The median is (\S+)\s*eV/atom", seen[DESK]["text"])[1]
    assert float(said.replace("−", "-")) == pytest.approx(np.median(values), abs=0.05)


def test_each_element_has_its_mean_its_count_and_a_colour(seen, screening):
    cells = seen[PHONE]["coloured"]
    assert len(cells) == 2 * len(screening.tally.elements)
    means = {symbol: mean for symbol, _, mean in cells[: len(cells) // 2]}
    n, total = screening.tally.elements["O"]
    (said,) = {title for symbol, title, _ in cells if symbol == "O"}
    assert said.startswith(f"O: {n} rows, mean −")
    assert float(re.search(r"−\S+", said)[0].replace("−", "-")) == pytest.approx(
        total / n, rel=0.01
    )
    lowest = min(screening.tally.elements, key=lambda s: mean_of(screening, s))
    highest = max(screening.tally.elements, key=lambda s: mean_of(screening, s))
    assert means[lowest] == "rgb(68, 1, 84)"  # where viridis begins
    assert means[highest] == "rgb(253, 231, 37)"  # and ends


def mean_of(screening, symbol):
    n, total = screening.tally.elements[symbol]
    return total / n


def test_the_page_holds_all_that_it_shows(seen, page):
    whole = page.read_text(encoding="utf-8")
    assert "://" not in whole
    assert not re.search(r"""(?:src|href)=["'](?!#)|url\((?!#)|@import""", whole)
    for shown in seen.values():
        assert shown["loaded"] == []
        assert not {"script", "link", "img", "iframe", "object"} & set(shown["tags"])


def test_it_is_dark_where_the_reader_wants_it_dark(seen, page, tmp_path):
    whole = page.read_text(encoding="utf-8")
    dark = look(whole, tmp_path, [PHONE], dark=True)[PHONE]
    assert sum(map(int, re.findall(r"\d+", seen[PHONE]["ground"]))) > 700
    assert sum(map(int, re.findall(r"\d+", dark["ground"]))) < 100
    pixels = image.imread(screenshot(page, tmp_path, DESK, 700, dark=True))[:, :, :3]
    bars = np.abs(pixels - np.array([0x7D, 0xB4, 0xDC]) / 255).max(axis=2) < 0.02
    assert bars.sum() > 2000  # the bars of the histogram, in the dark page's own colour


def test_intervals_what_is_outside_and_what_failed_are_told(result, tmp_path):
    lowest = [
        Row("CaF2", -4.2, 0.2, -4.9, -3.75),
        Row("XeF6", -4.1, 1.2, None, None, "no training formula holds Xe"),
    ]
    write_report(screening_of(result, lowest=lowest, failed=20), tmp_path / "r.html")
    shown = look((tmp_path / "r.html").read_text(encoding="utf-8"), tmp_path, [PHONE])[PHONE]
    assert shown["too_wide"] == []
    words = re.sub(r"\s+", " ", shown["text"])
    assert "−4.90 to −3.75" in words
    assert "−4.100 ± 1.2 no interval" in words
    assert "outside: no training formula holds Xe" in words
    assert "set aside 20 " in words


def test_foreign_text_is_shown_and_never_obeyed(result, tmp_path):
    evil = screening_of(
        result,
        output=Path(EVIL.replace("/", "")),
        property=EVIL,
        unit=EVIL,
        lowest=[Row(EVIL * 10, -5.0, 0.5, -6.0, -4.0, outside=EVIL)],
        model=dict.fromkeys(("name", "version", "run_id", "schema"), EVIL),
        featurizer={},
        endpoints=[EVIL],
        command=EVIL,
    )
    write_report(evil, tmp_path / "evil.html")
    shown = look((tmp_path / "evil.html").read_text(encoding="utf-8"), tmp_path, [PHONE])[PHONE]
    assert "img" not in shown["tags"]
    assert shown["loaded"] == []
    assert '<img src="http://e.example/x" onerror="alert(1)">&amp;' in shown["text"]
    assert "\u202e" not in shown["text"]
    assert shown["too_wide"] == []


@pytest.mark.parametrize("formulas", [[], ["rust", "?"], ["NaCl"]])
def test_a_screening_of_hardly_anything_has_a_page(endpoint, formulas, tmp_path):
    with CompositionClient(endpoint=endpoint) as client:
        result = client.predict(formulas)
    write_report(screening_of(result, ended=STARTED), tmp_path / "r.html")
    whole = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert ("No row has a value." in whole) == (formulas != ["NaCl"])
    assert whole.endswith("</html>\n")


def test_the_same_screening_makes_the_same_page(screening, page, tmp_path):
    write_report(screening, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_no_secret_is_in_the_page(result, tmp_path):
    command = "matminer-compute screen x.csv --registry=http://me:pass/w@h:5000/?token=t0k -o y"
    endpoints = ["http://me:pass/w@h:5000"]
    secret = screening_of(result, command=command, endpoints=endpoints)
    write_report(secret, tmp_path / "r.html")
    whole = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert not [word for word in ("pass", "t0k") if word in whole]
    assert "screen x.csv" in whole


@given(st.text())
def test_what_cannot_be_split_is_hidden_rather_than_shown(command):
    shown = public_command(f"screen 'http://me:s3cret{command}@h/ -o y")
    assert "s3cret" not in shown


def test_a_page_that_cannot_be_written_leaves_what_was_there(screening, tmp_path):
    with pytest.raises(FileUnusable, match="cannot be written"):
        check_report(tmp_path / "none" / "r.html")
    with pytest.raises(FileUnusable, match="cannot be written"):
        write_report(screening, tmp_path / "none" / "r.html")
    (tmp_path / "r.html").write_text("mine")
    unknown = dataclasses.replace(screening, ended=None)
    with pytest.raises(TypeError):
        write_report(unknown, tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


def test_it_is_known_before_the_work_what_is_not_installed(tmp_path, monkeypatch):
    code = (
        "import sys\n"
        "sys.modules['matplotlib'] = None\n"
        "from matminer_compute.client.report import write_report\n"
        "try: write_report(None, 'r.html')\n"
        "except ImportError as error: print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.startswith("PackageMissing This needs matplotlib, which is not installed")
    assert "install 'matminer-compute[screen]'" in done.stdout
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(PackageMissing, match="or go on without a report"):
        check_report(tmp_path / "r.html")


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=400), st.lists(st.floats(-1e6, 1e6)))
def test_a_histogram_is_drawn_with_few_bins_and_every_value(near, far):
    values = np.array(near + far[:1])
    bins = bins_of(Histogram.of(values))
    assert len(bins.counts) <= 64
    assert len(bins.edges) == len(bins.counts) + 1
    low, high = bins.edges[0], bins.edges[-1]
    inside = (values >= low) & (values < high)
    assert inside.sum() == bins.counts.sum()
    assert (bins.below, bins.above) == ((values < low).sum(), (values >= high).sum())


def test_a_value_far_away_does_not_hide_the_rest():
    values = np.append(np.random.default_rng(2).normal(size=100_000), [5e4, -3e4, 6e4])
    bins = bins_of(Histogram.of(values))
    assert -6 < bins.edges[0] < bins.edges[-1] < 6
    assert bins.counts.sum() + bins.below + bins.above == len(values)
    assert len(bins.counts) > 20


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=300), st.floats(0.01, 0.99))
def test_a_quantile_is_right_to_within_a_bin(values, part):
    histogram = Histogram.of(np.array(values))
    exact = np.quantile(values, part, method="inverted_cdf")
    assert abs(quantile(histogram, part) - exact) <= histogram.width


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (share(0, 0), "0%"),
        (share(1, 10**9), "under 0.1%"),
        (share(10**9 - 1, 10**9), "over 99.9%"),
        (share(7, 7), "100%"),
        (share(1, 3), "33.3%"),
        (duration(timedelta(seconds=3.21)), "3.2 s"),
        (duration(timedelta(seconds=59.97)), "1 min 0 s"),
        (duration(timedelta(minutes=59, seconds=59.9)), "1 h 0 min"),
        (duration(timedelta(days=2)), "48 h 0 min"),
        (rate(math.inf), "–"),
        (rate(0.5), "0.5"),
        (text("a\x00<\ud800>é"), "a\\x00&lt;\\ud800&gt;é"),
    ],
)
def test_figures_as_a_person_reads_them(said, shown):
    assert said == shown
