"""What `vaultfs-audit` does: the log of a vault checked, proved, shown to strangers, and asked who saw a patient."""
