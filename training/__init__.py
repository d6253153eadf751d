"""Machine learning without Django: reads a snapshot folder, writes a checkpoint folder."""

__version__ = "0.1.0"
