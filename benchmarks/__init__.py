"""Measurements: ours against stock JAX, Flax, torch, SciPy. Run `python -m benchmarks`."""
