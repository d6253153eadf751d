from django.apps import AppConfig


class RecommenderConfig(AppConfig):
    name = "recommender"
    verbose_name = "Tables"

    def ready(self) -> None:
        import recommender.search.live_index
        import recommender.support.passage_index  # noqa: F401  the same
