"""Sentences with two opinions, made by a rule: two topics, opposite feelings, one connector.

A phrase is praise or a complaint about one topic. The first six of each are for development, the
others for the test. The examples of the default topics were written without the test phrases.
"""

import random
from collections.abc import Iterator

PHRASES = {
    "delivery": {
        "positive": (
            "delivery was very fast",
            "it arrived two days early",
            "shipping took less than a day",
            "the parcel came right on time",
            "the courier was punctual and careful",
            "it was at my door the next morning",
            "my order showed up sooner than promised",
            "it got here in no time",
            "they shipped it the same afternoon",
            "it was delivered quickly and without any trouble",
            "I could track the package the whole way and it came on the day they said",
            "arrival was prompt",
        ),
        "negative": (
            "delivery was slow",
            "it arrived two weeks late",
            "shipping took forever",
            "the parcel got lost on the way",
            "the courier left it out in the rain",
            "I waited a month for the package",
            "my order turned up a week after the promised date",
            "I am still waiting for it to get here",
            "it took them ten days to ship it",
            "the driver threw the box over the fence",
            "the tracking never updated and the package came far too late",
            "it sat in a depot for three weeks",
        ),
    },
    "size": {
        "positive": (
            "it fits perfectly",
            "the size is just right",
            "true to size",
            "my usual medium fit like a glove",
            "the length is ideal for my height",
            "the sizing chart was accurate",
            "it sits exactly where it should on my waist",
            "the sleeves are the right length",
            "I ordered my normal size and it fits great",
            "it is roomy without being baggy",
            "the cut hugs my shoulders nicely",
            "it fits my wide feet without any pinching",
        ),
        "negative": (
            "it runs very small",
            "way too large on me",
            "the sleeves are much too short",
            "it is too tight around the chest",
            "I had to order two sizes up",
            "the size chart is wrong",
            "it hung on me like a tent",
            "I could not even zip it up over my hips",
            "the medium fits like a child's small",
            "the trousers drag on the floor because they are so long",
            "it pinches at the toes",
            "it is baggy and shapeless at the waist",
        ),
    },
    "quality": {
        "positive": (
            "the quality is excellent",
            "very well made",
            "the fabric feels solid and durable",
            "it still looks new after a year",
            "the stitching is flawless",
            "sturdy and built to last",
            "you can tell it was made with care",
            "it has survived a hundred washes",
            "the material is thick and strong",
            "the seams hold up really well",
            "everything about it feels premium",
            "it works as well today as when I bought it",
        ),
        "negative": (
            "the quality is terrible",
            "it broke after two days",
            "the seams came apart in the first wash",
            "the fabric is thin and flimsy",
            "it feels cheaply made",
            "the zipper jammed and then fell off",
            "it stopped working within a week",
            "the material tears at the slightest tug",
            "it had loose threads everywhere",
            "the paint started peeling off immediately",
            "the handle snapped the first time I used it",
            "it is made of brittle plastic",
        ),
    },
    "price": {
        "positive": (
            "great value for money",
            "the price is very fair",
            "it was a real bargain",
            "cheaper than anywhere else",
            "well worth every penny",
            "I got it at a great discount",
            "for what it costs you cannot go wrong",
            "it is surprisingly affordable",
            "a steal at this price",
            "I paid half of what other shops charge",
            "the cost is more than reasonable",
            "it did not break the bank",
        ),
        "negative": (
            "far too expensive",
            "it is overpriced",
            "not worth the money",
            "the price is a rip off",
            "I could get the same for half the cost elsewhere",
            "it costs way too much for what it is",
            "they charge a fortune for it",
            "I regret paying that much",
            "the price went up right after I ordered",
            "it is a waste of money",
            "you are just paying for the name",
            "the extra fees made it unreasonably costly",
        ),
    },
    "service": {
        "positive": (
            "customer service was friendly and helpful",
            "the support team answered within minutes",
            "the staff sorted out my problem right away",
            "the seller was very kind",
            "they refunded me without any questions",
            "the agent on the phone was wonderful",
            "their help desk went out of its way for me",
            "I got a polite reply to my question the same hour",
            "returning it was easy thanks to their team",
            "the shop replaced it at once when I wrote to them",
            "the people at the counter could not have been nicer",
            "the representative explained everything patiently",
        ),
        "negative": (
            "customer service was rude",
            "nobody answers my emails",
            "the support team was no help at all",
            "the seller refused a refund",
            "I was on hold for an hour and then cut off",
            "the staff ignored my complaint",
            "their help desk kept sending me the same useless reply",
            "the representative hung up on me",
            "I have written four times and never heard back",
            "they made returning it a nightmare",
            "the man at the counter was dismissive",
            "they blamed me for the fault and would not assist",
        ),
    },
    "appearance": {
        "positive": (
            "the color is gorgeous",
            "it looks beautiful",
            "the design is so stylish",
            "the pattern is lovely",
            "it looks exactly like the picture",
            "such a pretty print",
            "the shade of blue is stunning",
            "it is very elegant to look at",
            "I get compliments on its look every time",
            "the finish gleams nicely",
            "a really cute style",
            "the print is even prettier in person",
        ),
        "negative": (
            "the color is nothing like the photo",
            "it looks ugly",
            "the design is dated and dull",
            "the pattern looks cheap and tacky",
            "the print faded and looks awful",
            "a hideous shade of green",
            "whoever picked these colors has no taste",
            "the shade is a muddy brown instead of gold",
            "the style is unflattering to the eye",
            "the picture made it look much nicer than it is",
            "the logo is an eyesore",
            "the colors clash horribly",
        ),
    },
}
CONNECTORS = (
    "{a}, but {b}.",
    "{a}. However, {b}.",
    "{a} although {b}.",
    "{a}, {b}.",
    "{a}; {b}.",
    "While {a}, {b}.",
    "{a} and {b}.",
    "{a}, yet {b}!",
    "{a}. {b}.",
)
FOR_DEVELOPMENT = 6


def sentences(n: int, seed: int) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """n test sentences, each with its opinions: (phrase, topic, polarity)."""
    draw, topics = random.Random(seed), list(PHRASES)
    for _ in range(n):
        polarities = draw.sample(("positive", "negative"), 2)
        opinions = [
            (draw.choice(PHRASES[topic][polarity][FOR_DEVELOPMENT:]), topic, polarity)
            for topic, polarity in zip(draw.sample(topics, 2), polarities, strict=True)
        ]
        text = draw.choice(CONNECTORS).format(a=opinions[0][0], b=opinions[1][0])
        yield text[0].upper() + text[1:], opinions
