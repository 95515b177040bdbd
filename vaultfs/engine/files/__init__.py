"""The files of a vault: where they lie, and how each is written so that it is there, whole, whenever the power fails.

Promises: a small file is in force in two copies or not at all; what was appended and is durable is found again; what is
read of a segment is checked, and healed where it can be. May import nothing else of the engine.
"""
