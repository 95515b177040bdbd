"""Fuzzing of every parser, from a checkout: ``python -m fuzz``; see docs/guides/fuzzing.md.

A *target* hands bytes to a parser and states its contract: either it succeeds and a law holds, or it raises an error
of the tree. `catalogue` names all targets; atheris looks for bytes that break the contract of one. Legal bytes to begin
with come from the encoders, by way of the examples that the tests have: it is one place that makes them.
"""
