"""Opinions: clauses of mixed sentences, and injected surges."""

from bench import listening_clauses, listening_surges


def run() -> dict[str, dict]:
    return listening_clauses.run() | listening_surges.run()
