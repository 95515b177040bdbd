"""Golden vaults: one of every kind that a vault can be in, as the writer of this version leaves it.

`scenarios` make them with a clock, ids and keys that are the same every time; `python -m golden` in `tools` writes them
to `formats/golden`, each as an archive with a manifest of what is in it, or with ``--check`` says where that differs.
The format may change only where its version says so: what is kept there must open, for good.
"""
