"""Masking of personal data in texts that shoppers wrote, before anything is stored.

A mask names its kind, in brackets. What looks like personal data is masked in doubt: a product's
13-digit code goes with the numbers of accounts and orders.
"""

import re

from phonenumbers import Leniency, PhoneNumberMatcher

MAIL, ACCOUNT, CARD, PHONE = "[mail]", "[account]", "[card]", "[phone]"
ORDER, ADDRESS, NUMBER = "[order]", "[address]", "[number]"
REGIONS = ("US", "GB", "CN", "DE", "FR", "ES", "IT", "NL", "AU", "IN", "JP", "BR")
"""Countries whose national numbers are recognized; international ones (+49 …) always are."""
FEWEST_DIGITS = 7
"""Digits of a text below which it has no phone number, and is not searched for one."""

_MAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[^\W_][\w-]*(?:\.[\w-]+)+")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_DIGITS = r"(?<![\w.,])\d(?:[ -]?\d){%d,%d}(?![\w]|[.,]\d)"
_CARD = re.compile(_DIGITS % (12, 18), re.ASCII)
_LONG = re.compile(
    r"(?<![A-Za-z0-9])(?:\d(?:[./-]?\d){8,}|(?=(?: ?\d){9})\d{3,}(?: \d{3,})+)", re.ASCII
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d.*)?|\d{1,2}[./]\d{1,2}[./]\d{4}.*", re.ASCII)
_ORDER = re.compile(
    r"(?P<noun>\b(?:orders?|invoices?|tracking|parcel|customer|account|ticket|"
    r"bestell(?:ung|nummer)?|auftrags?(?:nummer)?|rechnungs?(?:nummer)?|kunden(?:nummer)?|"
    r"sendungs(?:nummer)?|commande|facture|pedido|factura|ordine|bestelling)|"
    r"订单|订单编号|单号|运单|快递|会员|账号|工单)"
    r"(?P<between>[ \t-]*"
    r"(?:number|no|nr|num|numéro|número|numero|nummer|id|is|was|编号|号码|号|为|是)?"
    r"[ \t.:#№：=-]*)"
    r"(?P<id>(?=[\w-]*\d{3})[A-Za-z0-9][A-Za-z0-9-]{3,}(?:(?: \d{4})+(?: \d{1,3}\b)?)?)",
    re.IGNORECASE,
)
_NAME = r"[A-ZÀ-Þ][\w'’.-]*"
_ADDRESSES = (
    re.compile(
        rf"\b\d{{1,5}}[A-Za-z]?,? +(?:{_NAME} +){{1,4}}"
        r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Square|Sq|"
        r"Way|Place|Pl|Terrace|Close|Crescent|Highway|Hwy)\b\.?"
        r"(?:,? *(?:Apt|Apartment|Unit|Suite|Ste|Flat|#)\.? *\w+)?"
    ),
    re.compile(
        rf"\b(?:{_NAME}[ -])?(?:[A-ZÄÖÜ][\wäöüß-]*)?"
        r"(?:[Ss]tra(?:ß|ss)e|[Ss]tr\.|[Ww]eg|[Pp]latz|[Gg]asse|[Aa]llee|straat|laan)"
        r" +\d{1,4}(?: ?[a-zA-Z]\b)?"
    ),
    re.compile(rf"\b\d{{1,4}}(?: bis| ter)?,? +(?:rue|avenue|boulevard|place|chemin) +{_NAME}"),
    re.compile(
        rf"\b\d{{1,4}}(?: bis| ter)?,? +(?:rue|avenue|boulevard|place|chemin) +"
        rf"(?:de|du|des|la|le|les|d['’]|l['’]| )+{_NAME}(?:[ -]{_NAME})*"
    ),
    re.compile(
        r"\b(?:Calle|Avenida|Avda\.?|Plaza|Paseo|Via|Viale|Piazza|Corso|Rua) +"
        rf"(?:(?:de|del|la|los|las|di|da|do|das|dos) +)*{_NAME}(?: +{_NAME})*,? +\d{{1,4}}\b"
    ),
    re.compile(
        r"(?:[\u4e00-\u9fff]{2,8}?(?:省|自治区|市|区|县|镇|乡))*"
        r"[\u4e00-\u9fff]{1,8}?(?:路|街|大道|巷|弄|胡同)\s*\d{1,5}\s*[号弄](?:院|楼)?"
        r"(?:[\w\u4e00-\u9fff-]{0,8}?(?:栋|幢|座|单元|楼|层|室|号))*(?:\d{2,4}(?!\d))?"
    ),
)


def masked(text: str) -> str:
    """The text with mail addresses, numbers of phones, cards, accounts and orders, and postal
    addresses masked. Masking twice changes nothing.
    """
    if "@" in text:
        text = _MAIL.sub(MAIL, text)
    if not any(c.isdigit() for c in text):
        return text
    text = _IBAN.sub(lambda found: ACCOUNT if _is_iban(found[0]) else found[0], text)
    text = _CARD.sub(lambda found: CARD if _is_card(found[0]) else found[0], text)
    for pattern in _ADDRESSES:
        text = pattern.sub(ADDRESS, text)
    text = _ORDER.sub(lambda found: f"{found['noun']}{found['between']}{ORDER}", text)
    if sum(c.isdigit() for c in text) >= FEWEST_DIGITS:
        text = _without_phones(text)
        text = _LONG.sub(lambda found: found[0] if _DATE.fullmatch(found[0]) else NUMBER, text)
    return text


def _without_phones(text: str) -> str:
    for region in (None, *REGIONS):
        leniency = Leniency.STRICT_GROUPING if region else Leniency.VALID
        found = list(PhoneNumberMatcher(text, region, leniency))
        for match in reversed(found):
            digits = sum(c.isdigit() for c in match.raw_string)
            if digits >= FEWEST_DIGITS and not _DATE.match(match.raw_string):
                text = text[: match.start] + PHONE + text[match.end :]
        if sum(c.isdigit() for c in text) < FEWEST_DIGITS:
            break
    return text


def _is_card(number: str) -> bool:
    """Luhn's check of card numbers (ISO/IEC 7812-1)."""
    digits = [int(c) for c in number if c.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(number: str) -> bool:
    """The check of account numbers (ISO 13616): 1 modulo 97."""
    compact = number.replace(" ", "")
    moved = compact[4:] + compact[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1
