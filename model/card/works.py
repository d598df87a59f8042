"""The works that a model's results rest on, and the identifiers in what is said of its data."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .record import Card

_DOI = re.compile(r"\b10\.\d{4,9}/[^\s\"<>]+")


@dataclass(frozen=True)
class Work:
    """A work to cite: its authors as ``Family, Given``, where it stands, and its DOI."""

    authors: tuple[str, ...]
    title: str
    place: str
    doi: str

    def __str__(self) -> str:
        """As a list of references has it."""
        first = self.authors[0].partition(",")[0]
        others = "" if len(self.authors) == 1 else " et al."
        return f"{first}{others}, {self.title}, {self.place}, doi:{self.doi}"


MATMINER = Work(
    (
        "Ward, L.", "Dunn, A.", "Faghaninia, A.", "Zimmermann, N. E. R.", "Bajaj, S.", "Wang, Q.",
        "Montoya, J. H.", "Chen, J.", "Bystrom, K.", "Dylla, M.", "Chard, K.", "Asta, M.",
        "Persson, K.", "Snyder, G. J.", "Foster, I.", "Jain, A.",
    ),
    "Matminer: An open source toolkit for materials data mining",
    "Comput. Mater. Sci. 152, 60 (2018)",
    "10.1016/j.commatsci.2018.05.018",
)  # fmt: skip
#: By element data of ``ElementProperty``: where they were first used so.
PRESETS = {
    "magpie": Work(
        ("Ward, L.", "Agrawal, A.", "Choudhary, A.", "Wolverton, C."),
        "A general-purpose machine learning framework for predicting properties of inorganic "
        "materials",
        "npj Comput. Mater. 2, 16028 (2016)",
        "10.1038/npjcompumats.2016.28",
    ),
    "deml": Work(
        ("Deml, A. M.", "O'Hayre, R.", "Wolverton, C.", "Stevanović, V."),
        "Predicting density functional theory total energies and enthalpies of formation of "
        "metal-nonmetal compounds by linear regression",
        "Phys. Rev. B 93, 085142 (2016)",
        "10.1103/PhysRevB.93.085142",
    ),
    "matminer": Work(
        (
            "Ong, S. P.",
            "Richards, W. D.",
            "Jain, A.",
            "Hautier, G.",
            "Kocher, M.",
            "Cholia, S.",
            "Gunter, D.",
            "Chevrier, V. L.",
            "Persson, K. A.",
            "Ceder, G.",
        ),
        "Python Materials Genomics (pymatgen): A robust, open-source python library for "
        "materials analysis",
        "Comput. Mater. Sci. 68, 314 (2013)",
        "10.1016/j.commatsci.2012.10.028",
    ),
    "megnet_el": Work(
        ("Chen, C.", "Ye, W.", "Zuo, Y.", "Zheng, C.", "Ong, S. P."),
        "Graph networks as a universal machine learning framework for molecules and crystals",
        "Chem. Mater. 31, 3564 (2019)",
        "10.1021/acs.chemmater.9b01294",
    ),
}


def works_of(card: Card) -> list[Work]:
    """What a user of the model should cite beside its data."""
    if card.protocol is None or not card.protocol.featurizers:
        return [MATMINER]
    uses_preset = "ElementProperty" in card.protocol.featurizers
    preset = PRESETS.get(card.protocol.preset) if uses_preset else None
    return [MATMINER] if preset is None else [MATMINER, preset]


def dois_in(text: str) -> list[str]:
    """The DOIs that a text names, without the punctuation around them."""
    return list(dict.fromkeys(found.rstrip(".,;:)]}") for found in _DOI.findall(text)))
