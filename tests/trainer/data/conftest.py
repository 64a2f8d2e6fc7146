from pathlib import Path

import pytest
from tiny_corpora import tiny_iemocap, tiny_meld


@pytest.fixture(scope="session")
def meld_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny MELD; not to be written to."""
    return tiny_meld(tmp_path_factory.mktemp("meld"))


@pytest.fixture(scope="session")
def iemocap_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny IEMOCAP; not to be written to."""
    return tiny_iemocap(tmp_path_factory.mktemp("iemocap"))
