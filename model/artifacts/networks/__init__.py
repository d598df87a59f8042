"""Neural networks as they travel: by NumPy alone, in training as on workers."""
