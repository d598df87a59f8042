"""Spaces of candidate compositions: enumerated as arrays, counted, the best of them kept.

A space is plain JSON, as ``matminer_compute.client.Space.as_json`` makes it:

    {"format": 1,
     "elements": {"La": {"number": 57, "electronegativity": 1.1, "states": [3], "mixed": false}},
     "blocks": [{"of": 3, "elements": ["Li", ...], "required": ["O"]},
                {"sites": [["La", "Nd"], ["Mn"]], "fixed": [["O"]], "rows": [[1, 1, 1, 3]]}],
     "neutral": true, "ordered": false, "merge": false,
     "limits": {"atoms": 16, "amount": null, "elements": [1, 4]},
     "known": "MnO2 LaMnO3", "by": "choice", "parts": 7}

``elements`` stand in the order in which a formula names them. A block with ``of`` is all ratios of
so many elements, those ``required`` always among them; one with ``sites`` is every choice of an
element a site, times every row of amounts: a divisor, the whole amounts at the sites, those of the
row's ``fixed`` elements. ``by`` says what cuts it into parts: the choice of elements, or the
composition itself, so that duplicates meet in one part.
"""
