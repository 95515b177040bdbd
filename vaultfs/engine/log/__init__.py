"""The audit log as the files hold it: its leaves and base, the counts of subjects, the logs of readers, and pruning.

Promises: every leaf is the one that was written, or is told to be another; an event of a reader is merged once.
"""
