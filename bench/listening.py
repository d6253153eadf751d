"""Opinions and the service desk: polarity, clauses, surges, intents, answers, and their speed."""

from bench import (
    listening_clauses,
    listening_intents,
    listening_pages,
    listening_serving,
    listening_surges,
    listening_texts,
)


def run() -> dict[str, dict]:
    return (
        listening_clauses.run()
        | listening_surges.run()
        | listening_texts.run()
        | listening_intents.run()
        | listening_serving.run()
        | listening_pages.run()
    )
