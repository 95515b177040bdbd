"""Benchmarks: measured rows beside the budgets of the design, and beside peers. From a checkout: ``python -m bench``.

A module an area: `ingest`, `reading`, `blobs`, `scale`, `turning`, `firsts`, and the packages `durability`, `blast`,
`keys` and `peers`. A row is a function that takes a `Setting` and returns what it found; `catalogue` names them. Uses
of the engine what a host uses, its public API.
"""
