"""Opinions and the service desk: polarity, surges, intents, answers, and their speed.

Clauses are judged in `bench.listening_clauses`, which takes minutes.
"""

from bench import (
    listening_intents,
    listening_pages,
    listening_serving,
    listening_surges,
    listening_texts,
)


def run() -> dict[str, dict]:
    return (
        listening_surges.run()
        | listening_texts.run()
        | listening_intents.run()
        | listening_serving.run()
        | listening_pages.run()
    )
