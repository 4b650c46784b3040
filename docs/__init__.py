"""The documentation site: what is generated, from what, and the check of what was built."""
