"""Keys: how long it takes from a recipient to the keys of a vault, and from there to the bytes of a record.

`unlocking` and `envelopes` are the rows; `kits` are the libraries that envelopes are compared with.
"""
