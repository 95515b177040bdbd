"""What a vector can ask of a reader: functions of bytes and numbers, each with the facts that it finds.

An operation raises `VaultError` for what must be refused. Its parameters are the fields of ``given``, with their types;
what it returns are the fields of ``ok``. `formats/vectors/README.md` says the same for readers in other languages.
"""
