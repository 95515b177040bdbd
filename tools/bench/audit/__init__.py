"""Rows of the audit log: what many producers write at once, beside other logs; checking, proving and opening."""
