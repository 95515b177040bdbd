"""Settling: what journals hold becomes segments, small segments become larger ones, and litter goes.

Promises: one head puts it all in force; until then, and after a crash at any moment, the vault is as it was before.
"""
