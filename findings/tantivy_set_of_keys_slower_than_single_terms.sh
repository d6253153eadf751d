#!/bin/sh
# tantivy: a set of keys costs several times as much as one term query for each key.
#
# Expected: `Query.term_set_query`, made for "documents with one of these values", finds 100
#   documents by their integer key at least as fast as a boolean query of 100 term queries.
# Happens: it takes several times as long, and the more the larger the index is: the set is an
#   automaton that runs over the term dictionary of every segment, while each single term is one
#   lookup.
# Versions: tantivy (Python) 0.27.0, 2026-11-30.
# Means: look up a few hundred keys by single term queries, and keep the set for thousands.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tantivy==0.27.0
"$folder/venv/bin/python" - "$folder/index" <<'PYTHON'
import pathlib, random, statistics, sys, time
import tantivy
from tantivy import Occur, Query

folder = pathlib.Path(sys.argv[1])
folder.mkdir()
builder = tantivy.SchemaBuilder()
builder.add_integer_field("key", fast=True, indexed=True)
schema = builder.build()
index = tantivy.Index(schema, str(folder))
writer = index.writer(50_000_000, 1)
for begin in range(0, 300_000, 50_000):
    for key in range(begin, begin + 50_000):
        document = tantivy.Document()
        document.add_integer("key", key)
        writer.add_document(document)
    writer.commit()
writer.wait_merging_threads()
index.reload()
searcher = index.searcher()
draw = random.Random(0)
samples = [draw.sample(range(300_000), 100) for _ in range(50)]


def as_set(keys):
    return Query.term_set_query(schema, "key", keys)


def one_by_one(keys):
    terms = [(Occur.Should, Query.term_query(schema, "key", key)) for key in keys]
    return Query.boolean_query(terms)


taken = {}
for make in (as_set, one_by_one):
    times = []
    for keys in samples:
        begun = time.perf_counter()
        found = searcher.search(make(keys), limit=100, count=False).hits
        times.append(1000 * (time.perf_counter() - begun))
        assert len(found) == 100
    taken[make.__name__] = statistics.median(times)
    print(f"{make.__name__}: {taken[make.__name__]:.2f} ms for 100 of {searcher.num_docs:,} documents")
ratio = taken["as_set"] / taken["one_by_one"]
print(f"the set takes {ratio:.1f} times as long")
sys.exit(0 if ratio > 2 else "the set is no longer slower: the finding has changed")
PYTHON
