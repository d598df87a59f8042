"""Neural networks as they travel: a module that needs NumPy only, used in training as on workers."""
