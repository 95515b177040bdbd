"""Tests of the commands: through their `main`, on vaults that the engine made."""
