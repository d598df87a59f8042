"""matminer's IonProperty: can the compound be neutral, and how ionic are its bonds.

Ionic character of a pair of elements: 1 - exp(-(X_a - X_b) ** 2 / 4), X the electronegativity. The
features are its largest, and its mean: the sum over a < b of x_a * x_b * character, where x are the
atomic fractions.

Neutral is possible if any choice of one oxidation state an element has a charge, sum of state times
amount, within 1e-8 of zero (``numpy.isclose``). The choices are walked element by element; a branch
is left as soon as the largest and smallest charges still possible lie on one side of zero.
"""

from __future__ import annotations

from typing import Any

from .compiling import inner

NEUTRAL = 1e-8  # the charge that numpy.isclose(charge, 0) still takes for zero
MAX_WALKED = 4096.0  # combinations of oxidation states, before any branch is left
NO, YES, ROUNDING_DECIDES, TOO_MANY = range(4)


@inner
def ionic_character(
    numbers: Any,
    amounts: Any,
    n: int,
    total: float,
    character: Any,
    features: Any,
    row: int,
    column: int,
) -> None:
    """The largest and the mean ionic character of one composition; character is (119, 119)."""
    largest = mean = 0.0
    for a in range(n):
        share = amounts[a] / total
        for b in range(a + 1, n):
            pair = character[numbers[a], numbers[b]]
            mean += share * (amounts[b] / total) * pair
            if pair > largest or pair != pair:  # NaN stays, since no number is above it
                largest = pair
    features[row, column] = largest
    features[row, column + 1] = mean


@inner
def neutral(
    numbers: Any, amounts: Any, n: int, states: Any, n_states: Any, chosen: Any, charge: Any
) -> int:
    """Whether one composition has a neutral choice of oxidation states.

    ROUNDING_DECIDES where a charge lies so close to 1e-8 that the order of the sum matters,
    TOO_MANY where walking could take long. states is (119, most), ascending, of which n_states
    count; chosen (n,) and charge (3, n + 1) are room to work in.
    """
    if n == 1:
        return YES  # matminer's answer for an element
    so_far, least, most = 0, 1, 2  # rows of charge; the latter what elements i to n can add
    combinations, size = 1.0, 0.0
    charge[least, n] = charge[most, n] = 0.0
    for i in range(n - 1, -1, -1):
        z = numbers[i]
        combinations *= n_states[z]
        size += amounts[i]
        charge[least, i] = charge[least, i + 1] + states[z, 0] * amounts[i]
        charge[most, i] = charge[most, i + 1] + states[z, n_states[z] - 1] * amounts[i]
    if combinations == 0.0 or combinations > MAX_WALKED:
        return NO if combinations == 0.0 else TOO_MANY
    noise = 1e-14 * n * size  # of sums in any order: no oxidation state is beyond 10
    answer, i = NO, 0
    charge[so_far, 0] = 0.0
    chosen[0] = 0
    while i >= 0:
        z = numbers[i]
        if chosen[i] == n_states[z]:
            i -= 1
            continue
        now = charge[so_far, i] + states[z, chosen[i]] * amounts[i]
        chosen[i] += 1
        above = now + charge[least, i + 1] > NEUTRAL + noise
        if above or now + charge[most, i + 1] < -NEUTRAL - noise:
            continue
        if i + 1 < n:
            i += 1
            charge[so_far, i] = now
            chosen[i] = 0
        elif abs(now) <= NEUTRAL - noise:
            return YES
        elif abs(now) < NEUTRAL + noise:
            answer = ROUNDING_DECIDES
    return answer
