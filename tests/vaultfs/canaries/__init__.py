"""Canaries through the whole life of a vault, and proof that no public callable was left out of it."""
