"""Peers: the same records, in the same run, into other archives, beside what each of them does and does not do.

`peer` says what a peer is; `vault`, `databases`, `files` and `programs` are the peers; `rows` measures them. A program
or package that is not installed is left out by name. Installing them is a step of `docs/guides/benchmarks.md`.
"""
