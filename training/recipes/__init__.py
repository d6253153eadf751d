"""Training functions, one recipe per file."""
