"""Tests of the adapters of clinical formats."""
