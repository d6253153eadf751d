"""Fixed sentences of the service desk, and words by which messages are recognized."""

import re

ENGLISH, CHINESE = "en", "zh"
LONG_ENOUGH = 30
"""Letters from which a language that was detected in Latin letters is believed."""
LAST_LATIN = 0x24F
SENTENCES = {
    "products": {
        ENGLISH: "These products may be what you are looking for:",
        CHINESE: "以下商品可能符合您的需要：",
    },
    "no_products": {
        ENGLISH: "We have found no product for that.",
        CHINESE: "没有找到相关商品。",
    },
    "handover": {
        ENGLISH: "A colleague will answer you here.",
        CHINESE: "人工客服会在这里回复您。",
    },
    "waiting": {
        ENGLISH: "Your message has been added. A colleague will answer you here.",
        CHINESE: "已收到您的补充，人工客服会在这里回复您。",
    },
}
"""By name and language. They promise no time and no result."""

_PERSON = re.compile(
    r"\b(?:(?:real|live|actual)\s+(?:person|human|agent)|human(?:\s+(?:being|agent|please))|"
    r"(?:speak|talk|chat)\s+(?:to|with)\s+(?:a|an|some|your)\s*(?:one|body|person|human|agent|"
    r"colleague|representative|manager|employee)|(?:speak|talk)\s+to\s+(?:someone|somebody)|"
    r"customer\s+service\s+(?:agent|representative))\b|转人工|人工客服|真人|人工服务|找人工",
    re.IGNORECASE,
)
_FOLLOW_UP = re.compile(
    r"^\s*(?:and|what about|how about|same for|那么|那|还有|换成)"
    r"(?:\b|(?<=[\u4e00-\u9fff]))[\s,，]*",
    re.IGNORECASE,
)
_OPENERS = re.compile(
    r"^\s*(?:hi|hello|hey|please)?[\s,!.]*(?:(?:do|did|have) you (?:have|sell|stock|got|offer)|"
    r"have you got|(?:i am|i'm|i’m|we are) (?:looking|searching) for|looking for|"
    r"search(?:ing)? for|"
    r"(?:can|could|would) you (?:please )?(?:recommend|suggest|show me|find(?: me)?)|show me|"
    r"find me|recommend(?: me)?|(?:i|we) (?:need|want|would like)(?: to buy)?|"
    r"which)\b\s*(?:a|an|any|some|the)?\b|"
    r"^\s*(?:请问)?(?:有没有|你们卖|你们有|想找|想买|我想要|我要买|推荐一款|推荐|找一下|找|有)(?:一个|一款|一些)?",
    re.IGNORECASE,
)
_ENDINGS = re.compile(
    r"\b(?:do you (?:have|sell)|please|in stock|available|for sale)$", re.IGNORECASE
)
_SIGNS = " \t\n?？!！.。吗呢的吧"
_OWN = re.compile(r"\b(?:my|our|your|me|us)\b", re.IGNORECASE)
_FILLERS = re.compile(r"^\s*(?:in|the|a|an|some|one|ones|with|for)\b\s*", re.IGNORECASE)
COLORS = """
    red blue green yellow black white pink purple orange brown grey gray silver gold beige cream
    红 蓝 绿 黄 黑 白 粉 紫 橙 棕 灰 银 金
    红色 蓝色 绿色 黄色 黑色 白色 粉色 紫色 橙色 棕色 灰色 银色 金色
"""
SIZES = "xs s m l xl xxl small medium large 小码 中码 大码 小号 中号 大号"
KINDS = (frozenset(COLORS.split()), frozenset(SIZES.split()))
"""Words of which a new one replaces the earlier one: colors, sizes."""
_WORD = re.compile(r"[^\W_]+")


def sentence(name: str, language: str) -> str:
    """A fixed sentence in this language, else in English."""
    return SENTENCES[name].get(language, SENTENCES[name][ENGLISH])


def wants_person(text: str) -> bool:
    """True where a message requests a person."""
    return bool(_PERSON.search(text))


def is_follow_up(text: str) -> bool:
    """True where a message continues the one before it, such as “and in blue?”."""
    return bool(_FOLLOW_UP.match(text))


def is_foreign(found: str, text: str, languages: list[str]) -> bool:
    """True where a message is surely in none of these languages. found: the detected one

    Short messages in Latin letters are often taken for another language.
    """
    letters = [c for c in text if c.isalpha()]
    other_script = 2 * sum(ord(c) > LAST_LATIN for c in letters) > len(letters)
    is_sure = other_script or len(letters) >= LONG_ENOUGH
    return bool(found) and found not in languages and is_sure


def seeks_products(text: str) -> bool:
    """True where a message begins like the search for a product, such as “do you have …”."""
    return bool(_OPENERS.match(text)) and product_query(text) != text


def product_query(text: str) -> str:
    """What to search for: the message without the words around the product."""
    text = _FOLLOW_UP.sub("", text)
    text = _ENDINGS.sub("", text.strip(_SIGNS)).strip(_SIGNS)
    text = _OWN.sub(" ", _OPENERS.sub("", text))
    return " ".join(_FILLERS.sub("", text).split())


def joined_query(before: str, text: str) -> str:
    """The earlier query with what a follow-up adds; a color or size replaces the earlier one."""
    added = product_query(text)
    words = set(_WORD.findall(added.lower()))
    for kind in KINDS:
        if words & kind or any(word in added for word in kind if not word.isascii()):
            before = _without(before, kind)
    return " ".join(f"{before} {added}".split())


def _without(text: str, kind: frozenset[str]) -> str:
    text = _WORD.sub(lambda match: "" if match[0].lower() in kind else match[0], text)
    for word in sorted((word for word in kind if not word.isascii()), key=len, reverse=True):
        text = text.replace(word, "")
    return text.strip().removeprefix("的")
