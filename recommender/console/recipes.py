"""The recipes in a merchandiser's words, and what a shop needs for each."""

from dataclasses import dataclass

from recommender.models import Shop, TrainingRun

FIRST = ("fusion", "incremental", "behaviour")
RECIPES = {
    "fusion": ("Full fusion", "Best lists: text fine-tuned until it stops getting better, then fused with every signal."),
    "incremental": (
        "Nightly refresh of the text",
        "The text model in use goes on from the new events, and repeats some old ones so that it forgets nothing.",
    ),
    "behaviour": ("Odds of a purchase", "How likely a shopper is to buy a product within 28 days."),
    "retrieval": ("Text alone", "The text model learns what shoppers take next; later trainings can start from it."),
    "search": ("Search", "Which products answer a query, from judged queries, else from clicks."),
    "mlm": ("The shop's own words", "The text model reads everything that the shop has written, before it learns a task."),
    "rating": ("Stars", "How many stars a review's words are worth."),
    "sentiment": ("Sentiment", "Is a review pleased or not?"),
    "topic": ("Topics", "What a review is about."),
    "intent": ("Intents", "What a customer's message wants, from solved dialogues."),
    "distil": ("Smaller text model", "A shallower copy of the text model in use: nearly as good, about twice as fast."),
}
PRESETS = [
    ("quick", "Quick", "For a first model or a try. On the sample shop as good at all that is bought, 4 % weaker at what is new to a shopper."),
    ("standard", "Standard", "What suits most shops: training ends by itself where it no longer helps."),
    ("thorough", "Thorough", "For a long night: two to three times as long. On the sample shop that brought nothing that can be told from chance."),
]
"""(preset, name, what it is for); figures are of full fusion on the sample shop, cut 2011-11-09 (`make bench ONLY=presets`)."""


def name_of(recipe: str) -> str:
    return RECIPES.get(recipe, (recipe,))[0]


def latest_runs(shop: Shop, most: int) -> list[TrainingRun]:
    """The shop's last trainings, each with its `recipe_name`."""
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


def missing(shop: Shop, recipe: str) -> str:
    """What the shop lacks for a recipe, in a sentence; empty where it can be trained."""
    checks = {
        "rating": (shop.reviews.filter(rating__isnull=False), "Needs reviews with stars: bring them with import_reviews."),
        "sentiment": (shop.reviews.exclude(label="", rating=None), "Needs reviews with stars or a label: bring them with import_reviews."),
        "topic": (shop.reviews.exclude(topic=""), "Needs reviews with topics: bring them with import_reviews."),
        "intent": (shop.dialogues.all(), "Needs solved dialogues: bring them with import_dialogues."),
        "mlm": (shop.products.all(), "Needs products."),
    }
    if recipe in checks:
        rows, sentence = checks[recipe]
        return "" if rows.exists() else sentence
    if recipe in ("incremental", "distil") and not (shop.champion("encoder") or shop.champion()):
        return "Needs a model in use to start from."
    if recipe == "search" and not (shop.judgements.exists() or shop.events.exclude(query=None).filter(product__isnull=False).exists()):
        return "Needs judged queries (import_judgements) or clicks that name their query."
    return "" if shop.events.exists() else "Needs orders or other events."


def choices(shop: Shop, usual) -> tuple[list[Choice], list[Choice]]:
    """(first, more): what can be trained; `usual` tells a recipe's usual time in words."""
    found = {recipe: Choice(recipe, name, what, usual(recipe), missing(shop, recipe)) for recipe, (name, what) in RECIPES.items()}
    return [found[r] for r in FIRST], [choice for r, choice in found.items() if r not in FIRST]
