"""Export of a shop's data: nobody is locked in. A file that is imported again changes nothing."""

from recommender.exports.rows import KINDS, ExportError, rows_of
from recommender.exports.writers import FORMATS, write

__all__ = ["FORMATS", "KINDS", "ExportError", "rows_of", "write"]
