"""Benchmarks: measured rows beside the budgets of the design. Run from a checkout: ``python -m bench``."""
