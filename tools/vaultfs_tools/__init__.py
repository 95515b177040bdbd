"""The commands: checking, describing, filling and emptying a vault from a terminal.

`cli` is what they share. `fsck` and `dump` stand on the format alone, because who checks a vault must not trust the
engine under audit; they load the engine only for what needs keys. The other commands use the engine's public names. No
command prints data, or the name of a source file that the operator did not type, except where that is its purpose.
"""
