"""Tests of the custody of keys: shares in files, recipients as options, and the sheet."""
