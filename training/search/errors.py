"""Errors of the search engine."""


class BrokenIndex(Exception):
    """A search index cannot be read or written; it has to be rebuilt."""


class IndexBusy(RuntimeError):
    """Another writer has the index folder; the index itself is whole."""
