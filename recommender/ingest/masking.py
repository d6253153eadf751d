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
"""Digits of a phone number."""
LONG_TEXT = 20_000
"""Characters from which on numbers like those of phones are masked without a look at the plans of
countries, which would take seconds.
"""

_LATIN = "A-Za-z0-9\u00c0-\u024f"
_MAIL = re.compile(
    rf"[{_LATIN}.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}[@＠]"
    rf"[{_LATIN}][{_LATIN}-]{{0,62}}(?:\.[{_LATIN}-]{{1,62}}){{1,5}}"
)
_IBAN = re.compile(
    r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", re.IGNORECASE | re.ASCII
)
_CARD = re.compile(r"(?<![\w.,])\d(?:[ -]?\d){12,18}(?![\w]|[.,]\d)", re.ASCII)
_PHONE = re.compile(r"\d(?:[\s()./-]{0,3}\d){6,20}", re.ASCII)
"""What may be a phone number; a text without it is not searched for one."""
_LONG = re.compile(
    r"(?<![A-Za-z0-9])(?:\d(?:[./-]?\d){8,}[Xx]?|(?=(?: ?\d){9})\d{4,}(?: \d{3,})+)", re.ASCII
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d.*)?|\d{1,2}[./]\d{1,2}[./]\d{4}.*", re.ASCII)
_UNIT = r"\d{1,9}(?:mAh|[kmgt]b|[mk]?[glmw]|[cm]m|hz|v|x|er|pcs|pack)\b"
_ID = r"[a-z0-9][a-z0-9-]{%d,40}(?:(?: \d{4}){1,5}(?: \d{1,3}\b)?)?"
_ORDER = (
    r"(?P<keep>(?:\b(?:orders?|invoices?|tracking|parcel|customer|account|ticket|"
    r"bestell(?:ung|nummer)?|auftrags?(?:nummer)?|rechnungs?(?:nummer)?|kunden(?:nummer)?|"
    r"sendungs(?:nummer)?|commande|facture|pedido|factura|ordine|bestelling)|"
    r"订单|单号|运单|快递|会员|账号|工单)"
)
_MARKED_ORDER = re.compile(
    _ORDER + r"[ \t-]{0,3}"
    r"(?:(?:number|no|nr|num|numéro|número|numero|nummer|id|n[°º]|编号|号码|号)"
    r"(?:[ \t]?(?:is|was|ist|est|es|为|是))?[ \t.:#№：=-]{0,4}|[.:#№：=][ \t#]{0,3}))"
    rf"(?=[a-z-]{{0,12}}\d[\d-]{{0,4}}\d[\d-]{{0,4}}\d){_ID % 3}",
    re.IGNORECASE | re.ASCII,
)
_PLAIN_ORDER = re.compile(
    _ORDER + rf"[ \t]{{0,2}})(?!{_UNIT}|\d{{4}}-\d\d-\d\d)"
    rf"(?:(?=[a-z-]{{0,4}}\d(?:[a-z-]{{0,2}}\d){{4}}){_ID % 4}"
    r"|\d{4}(?: \d{4}){1,5}(?: \d{1,3}\b)?)",
    re.IGNORECASE | re.ASCII,
)
_HANDLE = re.compile(
    r"(?P<keep>(?:\bQQ|微信|wechat|whatsapp|telegram)[号群]?[ \t:：]{0,3})"
    r"(?=[a-z_-]{0,20}[\d_])[a-z0-9_-]{5,30}",
    re.IGNORECASE | re.ASCII,
)
_NAMED = ((_HANDLE, ACCOUNT), (_MARKED_ORDER, ORDER), (_PLAIN_ORDER, ORDER))
"""Ids behind the word that names them, which stays."""
_NAME = r"[A-ZÀ-Þ][\w'’.-]{0,30}"
_TITLE = r"[A-ZÀ-Þ][a-zß-ÿ'’-][\w'’-]{0,30}"
_OF = r"(?:(?:de|du|des|la|le|les) +|[dl]['’]){0,3}"
_HAN = "[\u4e00-\u9fff]"
_POSTCODE = re.compile(
    r"(?<![A-Za-z0-9-])[A-Z]{1,2}\d[A-Z\d]? \d(?!GB|TB|PB|XL|LB)[ABD-HJLNP-UW-Z]{2}(?![A-Za-z0-9-])"
)
"""A postcode of the United Kingdom, with its blank."""
_ADDRESSES = (
    _POSTCODE,
    re.compile(
        r"\b\d{1,5}[A-Za-z]?,? {1,2}(?!(?:GB|TB|MB|Stars?|Packs?|Pieces?|Pcs|Pairs?|Inch|Years?|"
        rf"Days?|Hours?|Minutes?|Times)\b)(?:{_NAME} {{1,2}}){{1,4}}"
        r"(?:(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Dr|Boulevard|Blvd|Ct|Sq|Pl|Terrace|Crescent|"
        r"Highway|Hwy)\b\.?|(?:Drive|Court|Square|Way|Place|Close)\b\.?"
        r"(?! (?!(?:in|at|and|but|near|on|or|is|where)\b)[a-z]))"
        r"(?:,? {0,2}(?:Apt|Apartment|Unit|Suite|Ste|Flat|#)\.? {0,2}\w{1,6})?"
    ),
    re.compile(
        rf"\b(?:(?:{_NAME}[ -]{{1,2}})?(?:[A-ZÄÖÜ][\wäöüß-]{{0,30}}?)?"
        r"(?:[Ss]tra(?:ß|ss)e|[Ss]tr\.?|[Gg]asse|[Aa]llee|straat|laan)"
        r"|(?!Arbeits|Speicher|Sitz|Park|Stell|Lager|Steck|Schlaf|Um|Aus|Heim|Rück|Hin)"
        r"[A-ZÄÖÜ][\wäöüß-]{2,30}?(?:weg|platz))"
        r" {1,2}\d{1,4}(?: ?[a-zA-Z]\b)?"
    ),
    re.compile(
        r"\b\d{1,4}(?: bis| ter)?,? {1,2}(?:rue|avenue|boulevard|place|chemin) {1,2}"
        rf"{_OF}{_NAME}(?:[ -]{_NAME}){{0,4}}"
    ),
    re.compile(
        r"\b(?:Calle|Avenida|Avda\.?|Plaza|Paseo|Via|Viale|Piazza|Corso|Rua) {1,2}"
        rf"(?:(?:de|del|la|los|las|di|da|do|das|dos) ){{0,3}}{_TITLE}(?: {_TITLE}){{0,4}}"
        r",? {1,2}\d{1,4}\b"
    ),
    re.compile(
        rf"(?:{_HAN}{{2,8}}?(?:省|自治区|市|区|县|镇|乡)){{0,4}}+"
        rf"{_HAN}{{1,6}}?(?:(?<![走一网线思通铁公])路|街|大道|巷|弄|胡同)\s?\d{{1,5}}\s?[号弄]"
        r"(?!才|左右|脚)(?:院|楼)?"
        r"(?:[\dA-Za-z-]{1,6}(?:栋|幢|座|单元|楼|层|室|号)){0,4}+(?:\d{2,4}(?!\d))?"
    ),
)


def masked(text: str) -> str:
    """The text with mail addresses, numbers of phones, cards, accounts and orders, and postal
    addresses masked. The time is linear in the length of the text.
    """
    if "@" in text or "＠" in text:
        text = _MAIL.sub(MAIL, text)
    if not any(c.isdigit() for c in text):
        return text
    text = _IBAN.sub(lambda found: ACCOUNT if _is_iban(found[0]) else found[0], text)
    text = _CARD.sub(lambda found: CARD if _is_card(found[0]) else found[0], text)
    for pattern in _ADDRESSES:
        text = pattern.sub(ADDRESS, text)
    for pattern, mask in _NAMED:
        text = pattern.sub(rf"\g<keep>{mask}", text)
    if _PHONE.search(text):
        text = _without_phones(text)
        text = _LONG.sub(lambda found: found[0] if _DATE.fullmatch(found[0]) else NUMBER, text)
    return text


def _without_phones(text: str) -> str:
    if len(text) > LONG_TEXT:
        return _PHONE.sub(lambda found: found[0] if _DATE.match(found[0]) else NUMBER, text)
    for region in (None, *REGIONS):
        leniency = Leniency.STRICT_GROUPING if region else Leniency.VALID
        found = list(PhoneNumberMatcher(text, region, leniency))
        for match in reversed(found):
            digits = sum(c.isdigit() for c in match.raw_string)
            if digits >= FEWEST_DIGITS and not _DATE.match(match.raw_string):
                text = text[: match.start] + PHONE + text[match.end :]
        if not _PHONE.search(text):
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
