"""Search: quality on judged queries, exact codes, two peers, and speed by REST."""

from bench import search_codes, search_peers, search_quality, search_serving


def run() -> dict[str, dict]:
    return search_quality.run() | search_codes.run() | search_peers.run() | search_serving.run()
