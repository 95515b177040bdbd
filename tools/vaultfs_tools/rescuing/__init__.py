"""Rescue: what of a damaged vault is still provable, with its keys and without head, index or engine.

Files are recognised by what they hold, wherever they lie; of several copies each gives what is good in it. Nothing
comes out that was not sealed under a key of the vault, and nothing is written to the files that are read. What is known
to have existed and does not come out is listed. That holds for records, control states and audit events alike.

Memory is bounded by the entries, the key tables and the largest key section of a journal group, never by the bodies,
nor by holes in files. Imports the format, the standard library, msgspec, and the reading of files in
`vaultfs_tools.keyless`.

`rescuer` runs it all: `sources` finds files and `reading` reads them; `journals` and `segments` tell which file is
what; `journal_frames` and `segment_frames` take the frames out, by `groups`, `rows` and `pool`; `bodies` opens them;
`records`, `states` and `events` put together what comes out.
"""
