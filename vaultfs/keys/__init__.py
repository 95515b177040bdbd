"""Keys: the way from a passphrase and an epoch secret to the keys of every file, and the stores of epoch secrets.

Promises: no key in a repr, log or error; costs bounded before they run; comparisons in constant time. May import
`vaultfs_format` and `vaultfs.vfs`.
"""
