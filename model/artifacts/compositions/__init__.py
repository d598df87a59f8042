"""From formulas to compositions, what is known of their elements, what a model was trained on.

These files travel as text beside the featurizer, and are imported under a name that carries their
digest.
"""
