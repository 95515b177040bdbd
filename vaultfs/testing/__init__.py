"""What hosts need to test their own use of VaultFS: invented patients, and ways to make a vault fail on purpose.

The room is public and as stable as the engine's own API. Nothing in it holds data of a person; everything random is
drawn from a seed that the caller gives, so that a failing test can be run again. May import `vaultfs.model`,
`vaultfs.errors` and `vaultfs.vfs`.
"""
