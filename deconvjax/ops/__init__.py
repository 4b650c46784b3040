"""Builders: each checks its arguments and writes down a leaf, or a chain of leaves. No arithmetic happens here."""
