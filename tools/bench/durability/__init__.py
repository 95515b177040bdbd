"""Durability: how fast damage is found, kept from doing harm, and mended, beside programs that do the like.

`material` makes what is looked at, `recovery` runs par2; `scrub`, `parity`, `mending` and `healing` are the rows.
"""
