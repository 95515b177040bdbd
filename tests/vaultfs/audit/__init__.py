"""Audit events, and the log that is read back."""
