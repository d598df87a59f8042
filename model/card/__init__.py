"""Cards: what is known of a model's version, and the descriptions that are made of it.

``record`` is the card, ``making`` makes one of what training or publishing has at hand, ``store``
keeps it in the MLflow run and finds it again. A description is made of the card alone, by one
module each: ``markdown``, ``page`` (HTML), ``datacite`` and ``garden``; what a publisher adds to it
is in ``authors``.
"""
