"""Tests of copying vaults, restoring copies, and drills."""
