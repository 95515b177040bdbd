"""The engine: vaults that are open for writing (`vault`) or reading (`reader`), and what these share (`engine`).

The rooms: `files` and `indexing` stand on the ground; `opening` makes an open vault of them; `reading` and `committing`
are what hosts do with it; `settling`, `log` and `custody` take care of what was committed.

Promises: a commit that returned is durable and stays; one that did not is absent or whole; every access is audited in
the same commit or before its data is released; the index may be deleted at any time. Everything durable goes through
`vaultfs.vfs`. May import `vaultfs_format`, `vaultfs.keys`, `vaultfs.access`, the events and errors of `vaultfs.audit`,
and the modules of values beside it; `Vault.maintenance` loads `vaultfs.storage`, which stands on the engine, on demand.
"""
