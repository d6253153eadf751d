"""The built-in index fulfills the contract of a backend."""

import pytest

from tests.training.search.backend_contract import BackendContract
from tests.training.search.shop import DOCUMENTS
from training.search.index_writer import build


class TestTantivy(BackendContract):
    @pytest.fixture(scope="class")
    def backend(self, tmp_path_factory):
        return build(tmp_path_factory.mktemp("contract") / "index", DOCUMENTS, ("en",))
