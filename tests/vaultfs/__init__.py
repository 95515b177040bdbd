"""Tests of the engine and its rooms, which mirror the package."""
