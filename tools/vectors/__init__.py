"""Contract vectors of the format: what a reader in any language must find, and what it must refuse.

`operations` are what a vector asks for, `topics` the vectors themselves, made from fixed keys; `python -m vectors` in
`tools` writes them all to `formats/vectors`, or with ``--check`` says where that differs. Stands on the format, and on
the engine where a whole vault is read.
"""
