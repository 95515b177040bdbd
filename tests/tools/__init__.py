"""Tests of the installed commands and of the programs that run from a checkout."""
