"""One recipe a file: what it trains on, how it is judged, what its checkpoint holds."""
