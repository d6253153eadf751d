"""Text of HTML, as exports of shops hold it in titles and descriptions."""

import html
import re

TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<!--")
"""A tag or a comment: without one, “a < b” is text."""
ENTITY = re.compile(r"&(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});")
HIDDEN = "script,style,head,template,noscript"
BLOCKS = "p,div,br,li,tr,h1,h2,h3,h4,h5,h6,ul,ol,dl,dt,dd,table,blockquote,section,article,pre"
CELLS = "td,th"
LONGEST_PARSED = 1_000_000
"""Characters of a text that is parsed as HTML."""


def plain_text(text: str) -> str:
    """The text without tags, comments, scripts and entities; each block on a line of its own."""
    if "<" in text and len(text) <= LONGEST_PARSED and TAG.search(text):
        return _lines(_parsed(text))
    if "&" in text and ENTITY.search(text):
        return html.unescape(text)
    return text


def _parsed(text: str) -> str:
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(text)
    for node in tree.css(HIDDEN):
        node.decompose()
    for node in tree.css(BLOCKS):
        node.insert_before("\n")
        node.insert_after("\n")
    for node in tree.css(CELLS):
        node.insert_after(" ")
    return tree.body.text() if tree.body is not None else ""


def _lines(text: str) -> str:
    """Single blanks, no blank lines."""
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)
