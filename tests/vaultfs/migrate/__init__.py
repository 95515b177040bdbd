"""Imports and exports: whose record is what, what comes back, and what happens when things go wrong."""
