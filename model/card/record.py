"""The card of a model's version: one validated record, from which all descriptions are made.

What is not known is None or empty, and is said to be unknown: a card never guesses. It names no
machine, no folder and no address.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matminer_compute.errors import CardError

FORMAT: Literal[1] = 1
FILE = "card.json"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Data(_Part):
    """What a version was trained on.

    Attributes:
        source: a file's name, without its folder, or that of a data set.
        rows: trained on.
        left_out: rows of the source that could not be used.
        digest: sha256 over formulas and values, in order.
        attribution: whom to credit; empty if the source says nothing.
        licence: of the data, as its owner states it; None if unknown.
        computed: whether the values were computed, rather than measured; None if unknown.
    """

    source: str
    rows: int | None = None
    left_out: int = 0
    digest: str = ""
    attribution: str = ""
    licence: str | None = None
    computed: bool | None = None


class Protocol(_Part):
    """How a version was trained and judged.

    Attributes:
        estimator: such as ``random-forest``, or the class of one that was trained elsewhere.
        size: trees, members, or rounds of boosting.
        aggregate: what is answered of the trees' answers: ``mean`` or ``median``.
        featurizers: matminer's composition featurizers, in order.
        preset: element data of ``ElementProperty``.
        columns: number of features.
        folds: of the cross-validation. All rows of one composition are in the same fold.
        held_out: how many of these were held out, each predicted by a model of the others.
        seed: random state of the estimator and of the folds.
    """

    estimator: str
    size: int | None = None
    aggregate: str | None = None
    featurizers: tuple[str, ...] = ()
    preset: str = ""
    columns: int | None = None
    folds: int | None = None
    held_out: int | None = None
    seed: int | None = None


class Figures(_Part):
    """Errors on rows whose compositions the judged models had not seen.

    Attributes:
        rows: judged; None if unknown.
        mae: mean absolute error, in the model's unit.
        rmse: root mean squared error, in the model's unit.
        r2: coefficient of determination; None for few rows, or where all values are the same.
    """

    rows: int | None = None
    mae: float
    rmse: float | None = None
    r2: float | None = None


class Errors(_Part):
    """The errors of all rows judged, and by number of elements."""

    overall: Figures
    by_elements: dict[int, Figures] = Field(default_factory=dict)


class Intervals(_Part):
    """How well the intervals hold, on rows other than those they were calibrated on.

    Attributes:
        rows: predictions they were calibrated on; None if unknown.
        coverage: for each level, such as ``0.9``, the share of rows inside: ``all``, and by number
            of elements.
        width: for each level the mean width, in the model's unit.
    """

    rows: int | None = None
    coverage: dict[str, dict[str, float]]
    width: dict[str, float]


class Bounds(_Part):
    """Of the training formulas of one number of elements: how many, and how far they go.

    Attributes:
        formulas: how many.
        fraction: share of one element that 99.5% of them do not exceed.
        amount: largest amount, whole amounts without a common divisor.
    """

    formulas: int
    fraction: float
    amount: float


class Domain(_Part):
    """What some formulas hold, as ``outside`` goes by it.

    Attributes:
        what: they are of: ``training``, or the ``calibration`` of a model trained elsewhere.
        formulas: how many.
        few: an element that fewer of them hold is hardly known.
        by_element: how many hold each element, by symbol, in the order of the periodic table.
        by_size: by number of elements.
        never: symbols of elements that the features know and none of the formulas holds.
    """

    what: Literal["training", "calibration"] = "training"
    formulas: int
    few: int = 5
    by_element: dict[str, int]
    by_size: dict[int, Bounds]
    never: tuple[str, ...] = ()


class Importance(_Part):
    """How much worse predictions become if some columns are shuffled among rows kept out.

    Attributes:
        feature: what the columns tell of a composition.
        columns: how many columns were shuffled together.
        rise: of the mean absolute error, in the model's unit.
    """

    feature: str
    columns: int
    rise: float


class Features(_Part):
    """What a model goes by.

    Attributes:
        rows: kept out, that the importance was judged by.
        first: the features that matter most, in order.
    """

    rows: int
    first: tuple[Importance, ...]


class Card(_Part):
    """All that is known of one version of a model.

    Attributes:
        format: of the record.
        origin: ``training``; ``publish`` of what was trained elsewhere; ``registry``: there is no
            card, and this is what the version's tags and its run hold.
        name: registered name.
        version: its number, as text.
        property: what it predicts.
        unit: in which unit.
        created: when it was registered.
        run_id: the MLflow run that made it.
        featurizer: registered name of its featurizer.
        featurizer_version: version of that.
        software: library versions by name, as it was trained, and Python's.
        limits: what a user should know before trusting a value, in sentences.
    """

    format: Literal[1] = FORMAT
    origin: Literal["training", "publish", "registry"]
    name: str
    version: str
    property: str
    unit: str
    created: datetime
    run_id: str
    featurizer: str = ""
    featurizer_version: str = ""
    data: Data | None = None
    protocol: Protocol | None = None
    errors: Errors | None = None
    intervals: Intervals | None = None
    domain: Domain | None = None
    features: Features | None = None
    software: dict[str, str] = Field(default_factory=dict)
    limits: tuple[str, ...] = ()

    def quantity(self) -> str:
        """The property as a person says it: ``formation energy per atom``."""
        return self.property.replace("_", " ")

    def title(self) -> str:
        """One line that names it among others."""
        return f"{self.name} version {self.version}: {self.quantity()} from composition"

    def abstract(self) -> str:
        """What it is, how good, and trained on what, in plain sentences."""
        unit = f" ({self.unit})" if self.unit else ""
        said = [f"Predicts the {self.quantity()}{unit} of a chemical composition."]
        if self.protocol is not None:
            said.append(f"Estimator: {self.protocol.estimator} on matminer's features.")
        if self.data is not None and self.data.rows is not None:
            said.append(f"Trained on {self.data.rows:,} rows of {self.data.source}.")
        if self.errors is not None:
            mae = f"{self.errors.overall.mae:.3g} {self.unit}".strip()
            said.append(f"Mean absolute error on compositions kept out of training: {mae}.")
        return " ".join(said)


def read_card(text: str, where: str) -> Card:
    """Read a stored card.

    Args:
        text: the JSON.
        where: what holds it, for the error.

    Raises:
        CardError: it is no card of this format.
    """
    try:
        return Card.model_validate_json(text)
    except ValidationError as error:
        raise CardError(
            f"The card of {where} is not of format {FORMAT}: it was made by another version of "
            "matminer-compute, or altered. Describe it with that version."
        ) from error
