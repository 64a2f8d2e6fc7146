import signal
from pathlib import Path

import pytest
from hypothesis import settings
from tiny_bundle import tiny_bundle

import models.runtime  # noqa: F401 - before any test imports OpenVINO, as in the program
from models.bundle import Bundle, load_bundle, save_bundle

# No time limits: the machine may be busy.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# What a shell starts in the background ignores Ctrl-C, and so would what tests start and interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, which have a time limit of their own: else they come last, and alone."""
    long = {item.path for item in items if item.get_closest_marker("timeout")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved bundle; tests that damage one copy it first."""
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    save_bundle(folder, tiny_bundle(), "# Tiny\n")
    return folder


@pytest.fixture(scope="session")
def bundle(bundle_folder: Path) -> Bundle:
    return load_bundle(bundle_folder)
