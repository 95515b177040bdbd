"""Blast radius: how many records the same small damage costs, in a vault and in the repositories of restic and borg.

`damage` has the kinds of damage, `archives` what they are done to and how each is repaired and read, `rows` counts.
"""
