"""Errors of the search engine."""


class BrokenIndex(Exception):
    """A search index cannot be read or written; it has to be rebuilt."""
