"""What `vaultfs-doctor` looks at, each in a module: facts of this machine and of a vault's place, and what they mean.

Nothing here needs a key, opens a vault, or changes anything. May import `vaultfs_format`, `vaultfs_tools.cli`,
`vaultfs_tools.keyless` and `vaultfs_tools.copying.small`; `hashlib`, and whatever imports it, only on demand, since in
approved mode it could take the provider away from `cryptography`.
"""
