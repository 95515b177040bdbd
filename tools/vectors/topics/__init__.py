"""The scenarios, one module for each topic or two that are near."""
