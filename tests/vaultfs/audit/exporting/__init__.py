"""The encoders of the log, against the rules of those who read what they write."""
