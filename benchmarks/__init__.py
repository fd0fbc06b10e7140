"""The measured claims: every figure of the README comes from ``python -m benchmarks``."""
