"""Tests of the C-CDA adapter."""
