"""Features as they cross a wire: base64 of a compressed ``.npz``, a format of every numpy."""

import base64
import io
from typing import Any


def encoded(features: Any) -> str:
    """The text of features, float64 of shape (n, n_features)."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, features=features)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def decoded(text: str) -> Any:
    """The features that ``encoded`` made a text of; it raises whatever numpy finds wrong."""
    import numpy as np

    with np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False) as arrays:
        return arrays["features"]


def taken_apart(featurized: dict) -> tuple[Any, list[int], list[int], dict]:
    """Features (None: no rows), the rows they answer, the feature row of each, the featurizer.

    Raises:
        ValueError: ``[bad-features]``: that is not what ``featurize_composition`` returned.
    """
    try:
        features, rows, featurizer = (featurized[key] for key in ("features", "rows", "featurizer"))
        if isinstance(features, str):  # it has crossed a wire
            features = decoded(features)
        index = featurized.get("index", range(0 if features is None else len(features)))
        if len(index) != len(rows):
            raise ValueError(f"{len(index)} rows of features for {len(rows)} rows")
        featurizer["schema"]
    except Exception as error:  # noqa: BLE001  whatever numpy finds wrong with foreign bytes
        raise ValueError(
            f"[bad-features] {error} ({type(error).__name__}): these are no features; pass on what "
            "featurize_composition returned."
        ) from None
    return features, rows, index, featurizer
