"""The texts and tiles of transparency logs."""
