"""The periodic table, coloured by what is known of the rows that hold each element."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex

from matminer_compute.client.elements import SYMBOLS

from .markup import lines

#: Groups 1 to 18 of each period, and what stands below it.
_TABLE = """
H  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  He
Li Be .  .  .  .  .  .  .  .  .  .  B  C  N  O  F  Ne
Na Mg .  .  .  .  .  .  .  .  .  .  Al Si P  S  Cl Ar
K  Ca Sc Ti V  Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr
Rb Sr Y  Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I  Xe
Cs Ba .  Hf Ta W  Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn
Fr Ra .  Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og
.
.  .  La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu .
.  .  Ac Th Pa U  Np Pu Am Cm Bk Cf Es Fm Md No Lr .
"""
_PLACES = {
    symbol: (row, column)
    for row, line in enumerate(_TABLE.strip().splitlines(), 1)
    for column, symbol in enumerate(line.split(), 1)
    if symbol != "."
}
assert set(_PLACES) == set(SYMBOLS)


def periodic_table(
    values: Mapping[str, float],
    colours: str,
    scale: Callable[[float], float],
    shown: Callable[[float], str],
    described: Mapping[str, str],
) -> str:
    """HTML of the table and of its scale.

    Args:
        values: by symbol; an element without one is there, but empty.
        colours: a colour map of matplotlib's that the colour-blind can read.
        scale: from values, in order, to what the colours are even in.
        shown: a value where there is little room.
        described: what is said of an element where the pointer rests on it.
    """
    palette = mpl.colormaps[colours]
    low, high = _limits(list(values.values()), scale)
    first, last = scale(low), scale(high)
    cells = []
    for symbol, (row, column) in _PLACES.items():
        place = f"grid-area:{row}/{column}"
        if symbol not in values:
            cells.append(f'<div class="empty" style="{place}"><b>{symbol}</b></div>')
            continue
        share = (scale(values[symbol]) - first) / (last - first) if last > first else 0.5
        colour = palette(min(max(share, 0.0), 1.0))
        style = f"{place};background:{to_hex(colour)};color:{_readable_on(colour)}"
        cells.append(
            f'<div style="{style}" title="{described[symbol]}"><b>{symbol}</b>'
            f"<span>{shown(values[symbol])}</span></div>"
        )
    stops = ",".join(to_hex(palette(at)) for at in np.linspace(0, 1, 9))
    least = f"{'≤ ' if min(values.values()) < low else ''}{shown(low)}"
    most = f"{'≥ ' if max(values.values()) > high else ''}{shown(high)}"
    return lines(
        [
            f'<div class="periodic"><div class="cells">{lines(cells)}</div></div>',
            f'<p class="scale"><span>{least}</span>'
            f'<i style="background:linear-gradient(90deg,{stops})"></i><span>{most}</span></p>',
        ]
    )


def _limits(values: Sequence[float], scale: Callable[[float], float]) -> tuple[float, float]:
    """Where the colours end: at the ends, or before those that would make all the rest alike."""
    ordered = sorted(values)
    tail = len(ordered) // 20
    low, high = ordered[tail], ordered[-1 - tail]
    if scale(ordered[-1]) - scale(ordered[0]) <= 3 * (scale(high) - scale(low)):
        return ordered[0], ordered[-1]
    return low, high


def _readable_on(colour: tuple[float, float, float, float]) -> str:
    """Black or white, whichever stands out more (contrast as WCAG 2 defines it)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    luminance = float(np.dot(linear, [0.2126, 0.7152, 0.0722]))
    return "#000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#fff"
