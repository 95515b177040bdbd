"""The index: an LMDB environment that says where to look, and the rows that frames put into it.

Promises: an index is a hint, whose absence or age is told, never believed. What is in it is made from the files in one
place. May import `files`, and nothing else of the engine.
"""
