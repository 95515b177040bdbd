"""Tests of the DICOM adapter."""
