"""Tests of checking, healing and describing without keys."""
