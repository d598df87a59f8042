"""What a training run may be told, checked before anything costs time."""

from __future__ import annotations

from dataclasses import dataclass, fields

from matminer_compute.errors import TrainingError

PRESETS = ("magpie", "deml", "matminer", "matscholar_el", "megnet_el")
ESTIMATORS = ("random-forest", "extra-trees", "hist-gradient-boosting", "network")
AGGREGATES = ("mean", "median")
FORESTS = ("random-forest", "extra-trees")
FEATURIZERS = ("Stoichiometry", "ElementProperty", "ValenceOrbital", "IonProperty")
WITH_ELEMENTS = (*FEATURIZERS, "ElementFraction")  # what a network does best with

MODEL_NAME = "Matminer"
USELESS_R2 = 0.1  # below it a model says little more than the mean of what it was trained on
_ENOUGH, _LEAST_JUDGED = 10_000, 50
_LONGEST_NAME = 200  # MLflow's databases hold 256

# What each estimator is trained with unless told otherwise: scikit-learn's own number of trees for
# the forests; boosting needs more rounds than its default of 100 to be at its best on this data.
_DEFAULT_SIZE = {
    "random-forest": 100,
    "extra-trees": 100,
    "hist-gradient-boosting": 500,
    "network": 4,
}


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Parameters of one training run; the defaults are the main job's.

    Attributes:
        data: ``bundled``, a CSV file, or the name of a matminer data set.
        formula_column: column of the formulas in ``data``.
        target_column: column of the property; may be left out where only one is possible.
        property_name: what to call the property (default: the target column).
        unit: its unit (default: known for a few columns).
        rows: train on this many rows of a fixed shuffle; 0 for all.
        held_out: formulas never to train on, as ``data`` writes them.
        element_property_preset: element data of matminer's ElementProperty, one of ``PRESETS``.
        featurizers: matminer's composition featurizers, by class name, in order; the original's
            four by default, beside which ``ElementFraction`` is computed as fast.
        estimator: one of ``ESTIMATORS``.
        n_estimators: trees, rounds of boosting, or members; 0 for the default.
        aggregate: what a forest answers of its trees' answers, one of ``AGGREGATES``: the mean, as
            scikit-learn, or the median, which is nearer in the mean and further off at worst.
        max_features: share of the features that a split of a forest looks at, over 0 to 1.
        layers: units of a network's hidden layers; empty for the default.
        epochs: passes of a network over the rows; 0 for as many as their number asks for.
        seed: random state of the estimator and of the cross-validation's folds.
        folds: folds of the cross-validation, at least 2.
        judged_rows: hold out no more folds once so many rows were predicted, at least 50; 0: hold
            out all, but of a network, which takes as long to train as a hundred trees, ten
            thousand rows.
        name: registered name of the model.
        skip_bad_rows: leave out rows that cannot be used, and log which, instead of refusing.
    """

    data: str = "bundled"
    formula_column: str = "formula"
    target_column: str = ""
    property_name: str = ""
    unit: str = ""
    rows: int = 0
    held_out: tuple[str, ...] = ()
    element_property_preset: str = "magpie"
    featurizers: tuple[str, ...] = FEATURIZERS
    estimator: str = "random-forest"
    n_estimators: int = 0
    aggregate: str = "mean"
    max_features: float = 1.0
    layers: tuple[int, ...] = ()
    epochs: int = 0
    seed: int = 0
    folds: int = 5
    judged_rows: int = 0
    name: str = MODEL_NAME
    skip_bad_rows: bool = False

    def __post_init__(self) -> None:
        if self.element_property_preset not in PRESETS:
            raise TrainingError(
                f"There is no element property preset {self.element_property_preset!r}; "
                f"matminer has {', '.join(PRESETS)}."
            )
        if self.estimator not in ESTIMATORS:
            raise TrainingError(
                f"There is no estimator {self.estimator!r}; choose one of {', '.join(ESTIMATORS)}."
            )
        if self.aggregate not in AGGREGATES:
            raise TrainingError(
                f"There is no aggregate {self.aggregate!r}; choose one of {', '.join(AGGREGATES)}."
            )
        if self.estimator not in FORESTS and (self.aggregate, self.max_features) != ("mean", 1.0):
            raise TrainingError(
                f"--aggregate and --max-features apply only to forests ({', '.join(FORESTS)}); "
                f"{self.estimator} has neither."
            )
        if self.estimator != "network" and (self.layers or self.epochs):
            raise TrainingError(
                f"--layers and --epochs apply only to a network, not to {self.estimator}."
            )
        if any(units < 1 for units in self.layers):
            raise TrainingError(f"layers must be of 1 unit or more, not {self.layers}.")
        if not 0 < self.max_features <= 1:
            raise TrainingError(
                f"max_features must be over 0 and at most 1, not {self.max_features}."
            )
        for name, least in (
            ("rows", 0),
            ("n_estimators", 0),
            ("seed", 0),
            ("folds", 2),
            ("judged_rows", 0),
        ):
            if getattr(self, name) < least:
                raise TrainingError(f"{name} must be {least} or more, not {getattr(self, name)}.")
        if 0 < self.judged_rows < _LEAST_JUDGED:
            raise TrainingError(
                f"{self.judged_rows} judged rows are too few to learn intervals from: hold out at "
                f"least {_LEAST_JUDGED}, or all (0)."
            )
        if self.seed >= 2**32:
            raise TrainingError(f"seed must be less than 2**32, not {self.seed}.")
        check_featurizers(self.featurizers)
        check_name(self.name)

    @property
    def size(self) -> int:
        """Trees, rounds of boosting, or members, that will be trained."""
        return self.n_estimators or _DEFAULT_SIZE[self.estimator]

    @property
    def enough(self) -> int:
        """Rows that are enough to judge by; 0 for all."""
        return self.judged_rows or (_ENOUGH if self.estimator == "network" else 0)

    def as_params(self) -> dict[str, str]:
        """The options as MLflow parameters: text, less those left empty or of no meaning."""
        texts = {}
        for field in fields(self):
            if field.name in ("aggregate", "max_features") and self.estimator not in FORESTS:
                continue
            if field.name in ("layers", "epochs") and self.estimator != "network":
                continue
            value = getattr(self, field.name)
            text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            if text:
                texts[field.name] = text
        return texts


def check_featurizers(names: tuple[str, ...]) -> None:
    """Raise TrainingError for no featurizers at all, and for one named twice."""
    if not names:
        raise TrainingError(f"featurizers is empty; the original's are {', '.join(FEATURIZERS)}.")
    for name in names:
        if names.count(name) > 1:
            raise TrainingError(f"featurizers names {name} twice; name each once.")


def check_name(name: str) -> None:
    """Raise TrainingError for a name that the registry, or an address ``models:/…``, cannot hold.

    Checked before anything is trained: MLflow says so only when the model is to be registered.
    """
    bad = sorted({c for c in name if c in '/:@?#%"\\' or not c.isprintable()})
    if bad:
        raise TrainingError(
            f"{name!r} cannot be the name of a model: {', '.join(map(repr, bad))} would be read as "
            "something else in an address such as models:/Matminer@Production."
        )
    if not name or name != name.strip() or set(name) == {"."}:
        raise TrainingError(
            f"{name!r} cannot be the name of a model: it needs letters, and no space at its ends."
        )
    if len(featurizer_name(name)) > _LONGEST_NAME:
        raise TrainingError(f"{name[:20]!r}… is too long for the name of a model.")


def featurizer_name(model_name: str) -> str:
    """Registered name of the featurizer that belongs to a model: ``Matminer Featurizer``.

    Each model has a featurizer of its own, so that promoting a band-gap model cannot move the
    featurizer of another property.
    """
    return f"{model_name} Featurizer"
