"""Vitrine's machine learning: a snapshot folder goes in, a checkpoint folder comes out.

Knows no Django.
"""

__version__ = "0.1.0"
