"""Recipes as choices of the Train page: names, descriptions, and missing data."""

from dataclasses import dataclass

from django.db.models import Exists

from recommender.inference import training_options
from recommender.models import Judgement, Shop, TrainingRun
from recommender.models.registry import RunStatus

FIRST = ("fusion", "incremental", "behaviour")
RECIPES = {
    "fusion": (
        "Full fusion",
        "Best lists: text fine-tuned until it stops getting better, then fused with every signal.",
    ),
    "incremental": (
        "Nightly refresh of the text",
        (
            "The text model in use learns the new events, and repeats some old ones so "
            "that it forgets nothing."
        ),
    ),
    "behaviour": ("Odds of a purchase", "How likely a shopper is to buy a product within 28 days."),
    "retrieval": (
        "Text alone",
        "The text model learns what shoppers take next; later trainings can start from it.",
    ),
    "search": ("Search", "Which products answer a query, from judged queries, else from clicks."),
    "mlm": (
        "The shop's own words",
        "The text model reads everything that the shop has written, before it learns a task.",
    ),
    "rating": ("Stars", "How many stars a review's words are worth."),
    "sentiment": ("Sentiment", "Is a review pleased or not?"),
    "topic": ("Topics", "What a review is about."),
    "opinion": (
        "Opinions",
        "What each clause of a review is about, and whether it praises or complains.",
    ),
    "intent": ("Intents", "What a customer's message wants, from solved dialogues."),
    "answers": (
        "Answers",
        "Which passage answers a question, from solved dialogues with their answers.",
    ),
    "distil": (
        "Smaller text model",
        "A shallower copy of the text model in use: nearly as good, about twice as fast.",
    ),
}
PRESETS = [
    (
        "quick",
        "Quick",
        (
            "For a first model or a try. On the sample shop as good at all that is bought, 4 % "
            "weaker at what is new to a shopper."
        ),
    ),
    (
        "standard",
        "Standard",
        "What suits most shops: training ends by itself where it no longer helps.",
    ),
    (
        "thorough",
        "Thorough",
        (
            "For a long night: two to three times as long. On the sample shop that brought "
            "no significant difference."
        ),
    ),
]
"""(preset, name, description). Figures: complete fusion on the sample shop, cut 2011-11-09 (`make
bench ONLY=presets`).
"""


def name_of(recipe: str) -> str:
    return RECIPES.get(recipe, (recipe,))[0]


def latest_runs(shop: Shop, most: int) -> list[TrainingRun]:
    """The shop's latest training runs, each with its `recipe_name`."""
    runs = list(shop.runs.select_related("version", "created_by")[:most])
    for run in runs:
        run.recipe_name = name_of(run.recipe)
    return runs


@dataclass(frozen=True)
class Choice:
    recipe: str
    name: str
    what: str
    usual: str
    missing: str


NEEDS = {
    "events": "Needs orders or other events.",
    "products": "Needs products.",
    "products|reviews": "Needs products or reviews.",
    "ratings": "Needs reviews with stars: bring them with import_reviews.",
    "labels": "Needs reviews with stars or a label: bring them with import_reviews.",
    "topics": "Needs reviews with topics: bring them with import_reviews.",
    "dialogues": "Needs solved dialogues: bring them with import_dialogues.",
    "encoder": "Needs a model in use to start from.",
    "judgements|clicks": (
        "Needs judged queries (import_judgements) or clicks that name their query."
    ),
}
"""How to provide missing data, by requirement of a recipe
(`training.configuration.recipe.Recipe.needs`).
"""


def missing(shop: Shop) -> dict[str, str]:
    """Per recipe, the data that the shop lacks, in a sentence; empty where it can be trained. One
    SQL statement.
    """
    reviews, versions = shop.reviews.all(), shop.versions.filter(status="champion")
    has = (
        Shop.objects.filter(pk=shop.pk)
        .values(
            has_events=Exists(shop.events.all()),
            has_products=Exists(shop.products.all()),
            has_reviews=Exists(reviews),
            has_ratings=Exists(reviews.filter(rating__isnull=False)),
            has_labels=Exists(reviews.exclude(label="", rating=None)),
            has_topics=Exists(reviews.exclude(topic="")),
            has_dialogues=Exists(shop.dialogues.all()),
            has_intents=Exists(shop.intents.all()),
            has_encoder=Exists(versions.filter(purpose__in=["encoder", "ranking"])),
            has_judgements=Exists(shop.judgements.filter(origin=Judgement.GIVEN)),
            has_clicks=Exists(shop.events.exclude(query=None).filter(product__isnull=False)),
        )
        .get()
    )
    has["has_dialogues"] |= has["has_intents"]  # whose examples are solved dialogues, too
    lacks = {}
    for recipe in RECIPES:
        unmet = [
            NEEDS["|".join(alternatives)]
            for alternatives in training_options.needs_of(recipe)
            if not any(has[f"has_{one}"] for one in alternatives)
        ]
        lacks[recipe] = unmet[0] if unmet else ""
    return lacks


def usual_times(shop: Shop) -> dict[str, str]:
    """Duration of the last finished run of each recipe, in words. One SQL statement."""
    finished = shop.runs.filter(status=RunStatus.FINISHED, started_at__isnull=False)
    last = (
        finished.order_by("recipe", "-pk")
        .distinct("recipe")
        .values_list("recipe", "started_at", "finished_at")
    )
    return {
        recipe: f"about {max(1, round((end - begin).total_seconds() / 60))} min last time"
        for recipe, begin, end in last
    }


def choices(shop: Shop) -> tuple[list[Choice], list[Choice]]:
    """Recipes of the Train page as (first, more): the usual ones, and the others."""
    lacks, usual = missing(shop), usual_times(shop)
    by_name = {
        recipe: Choice(
            recipe, name, what, usual.get(recipe, "no run yet to tell its time by"), lacks[recipe]
        )
        for recipe, (name, what) in RECIPES.items()
    }
    return [by_name[r] for r in FIRST], [choice for r, choice in by_name.items() if r not in FIRST]
