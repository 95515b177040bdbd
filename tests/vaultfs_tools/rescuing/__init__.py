"""Rescue: vaults are made by the engine, damaged, and rescued without it."""
