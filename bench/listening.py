"""Opinions and the service desk: polarity, surges, intents, answers, and pages of many opinions.

Clauses are measured in `bench.listening_clauses`, speed in `bench.listening_serving`; both take
minutes where the models are fitted.
"""

from bench import (
    listening_intents,
    listening_pages,
    listening_surges,
    listening_texts,
)


def run() -> dict[str, dict]:
    return (
        listening_surges.run()
        | listening_texts.run()
        | listening_intents.run()
        | listening_pages.run()
    )
