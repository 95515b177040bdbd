"""What hosts need to test their own use of VaultFS: inputs, ways to make it fail on purpose, and a search for leaks.

============  ==========================================================================================
`synthetic`   Invented patients and their exports, in FHIR, HL7v2, DICOM and C-CDA, from a seed.
`strategies`  Hypothesis strategies for whatever a host hands to a vault; needs ``vaultfs[testing]``.
`programs`    Transactions as values, and what a vault holds after they were run.
`vfs`         Files that fail when they are told to: broken devices, writes half done.
`quota`       A disk of a stated size, to fill and to empty.
`crash`       Power cuts: a recording of all changes, and every disk that a cut may leave of them.
`canary`      Canaries: strings, bytes and a date to plant in every field, and the search for them.
`watch`       A watch over logs, warnings, output, errors and objects while a scenario runs.
`channels`    The ways in which a program says something, each listened to by itself.
`surface`     The public callables of a package, and which of them a scenario has called.
============  ==========================================================================================

A full disk, and what a host sees of it:

>>> import tempfile, pathlib, vaultfs
>>> from vaultfs.testing.quota import QuotaVfs
>>> folder = tempfile.TemporaryDirectory()
>>> disk = QuotaVfs(64 << 20)
>>> vault = vaultfs.create(
...     pathlib.Path(folder.name, "v"), recipients=[vaultfs.Passphrase(b"only a test")],
...     policy=vaultfs.PermitAll(), vfs=disk,
... )
>>> disk.left = 0
>>> with vault.session(vaultfs.Principal("me"), "TREAT") as session, session.transaction() as txn:
...     txn.set_state("mine", b"key", b"value")
Traceback (most recent call last):
vaultfs.errors.StorageFull: VFS-2205: There is no space left for what must be written. (errno=28)
>>> vault.condition is vaultfs.Condition.FULL
True
>>> vault.close(); folder.cleanup()

docs/guides/testing.md shows each of them at work. The room is public and as stable as the engine's own API. Nothing
in it holds data of a person; everything random is drawn from a seed that the caller gives, so that a failing test can
be run again. May import `vaultfs.model`, `vaultfs.kinds`, `vaultfs.errors` and `vaultfs.vfs`; of the engine,
types only.
"""
