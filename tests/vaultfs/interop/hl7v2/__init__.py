"""Tests of the HL7v2 adapter."""
