#!/bin/sh
# price-parser: an amount loses its minus sign.
#
# Expected: "-5.00 EUR", "−5,00 €" (U+2212) and the accountants' "(5.00)" are read as −5, or as no
#   amount.
# Happens: each is read as 5 without a word, so that a refund in an export of orders becomes a sale
#   of the same amount. There is no option to keep the sign.
# Versions: price-parser 0.5.1, 2026-12-01.
# Means: read plain numbers by float() first, and look at what stands around the amount that
#   price-parser found (`amount_text`): a sign there is the amount's, other text makes it unclear.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check price-parser==0.5.1
"$folder/venv/bin/python" - <<'PYTHON'
from price_parser import Price

for text in ("5.00 EUR", "-5.00 EUR", "−5,00 €", "(5.00)", "-5"):
    found = Price.fromstring(text)
    print(f"{text!r}: {found.amount} {found.currency or ''}")
    assert found.amount == 5, text
PYTHON
