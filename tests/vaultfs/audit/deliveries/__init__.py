"""The log on its way to receivers: real ones over TLS, files, and what they have compared with the log."""
