import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from small_media import Loudness, conversations, ears, tone, utterance
from torch import nn
from waiting import wait_until

from models.files.whole_file import FileError
from trainer.data.conversation import Conversations
from trainer.features import blocks
from trainer.features.cache import FeatureBlock, load_block, row, save_block
from trainer.features.extract import Extraction, FeatureSettings, extract_features
from trainer.features.media import MediaFault
from trainer.fit.cache import network_digest

COUNT = 7


@pytest.fixture
def spoken(tmp_path: Path) -> Conversations:
    paths = [tone(tmp_path / "media" / f"{index}.wav", 0.2 + index / 10) for index in range(COUNT)]
    return conversations(*(utterance(f"u{index}", sound=path) for index, path in enumerate(paths)))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 2)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def heard(spoken: Conversations, network: Loudness, cache: Path, **settings: object) -> Extraction:
    return extract_features(spoken, ears(network), cache, FeatureSettings(**settings))  # type: ignore[arg-type]


def test_what_was_made_before_is_read_and_equal(spoken: Conversations, cache: Path) -> None:
    network = Loudness()
    first = heard(spoken, network, cache).branches["audio"]
    assert network.calls == COUNT
    again = heard(spoken, network, cache).branches["audio"]
    assert network.calls == COUNT
    assert again.rows.tolist() == first.rows.tolist() == list(range(COUNT))
    assert np.array_equal(again.output.embeddings, first.output.embeddings)
    assert np.array_equal(again.output.logits, -first.output.embeddings)


def test_other_weights_make_other_features(spoken: Conversations, cache: Path) -> None:
    one = heard(spoken, Loudness(1.0), cache).branches["audio"].output.embeddings
    three = heard(spoken, Loudness(3.0), cache).branches["audio"].output.embeddings
    assert three == pytest.approx(3 * one)


def test_a_setting_that_matters_makes_other_features_and_one_that_does_not_none(
    spoken: Conversations, cache: Path
) -> None:
    network = Loudness()
    heard(spoken, network, cache)
    heard(spoken, network, cache, workers=1, frames=3)  # nothing that is heard depends on images
    assert network.calls == COUNT
    short = heard(spoken, network, cache, max_seconds=0.45)
    assert short.branches["audio"].rows.tolist() == [0, 1, 2]
    assert [fault.name for fault in short.faults] == ["u3", "u4", "u5", "u6"]


def test_a_changed_file_is_read_again_with_its_block_alone(spoken: Conversations, cache: Path, tmp_path: Path) -> None:
    network = Loudness()
    before = heard(spoken, network, cache).branches["audio"].output.embeddings
    tone(tmp_path / "media" / "2.wav", 1.0)
    after = heard(spoken, network, cache).branches["audio"].output.embeddings
    assert network.calls == COUNT + 2
    assert np.flatnonzero((before != after).any(axis=1)).tolist() == [2]


def test_a_file_of_the_same_size_with_another_time_is_read_again(
    spoken: Conversations, cache: Path, tmp_path: Path
) -> None:
    network = Loudness()
    heard(spoken, network, cache)
    os.utime(tmp_path / "media" / "6.wav", ns=(1, 1))
    heard(spoken, network, cache)
    assert network.calls == COUNT + 1


def test_a_corpus_that_was_moved_keeps_its_features(spoken: Conversations, cache: Path, tmp_path: Path) -> None:
    network = Loudness()
    heard(spoken, network, cache)
    (tmp_path / "media").rename(tmp_path / "elsewhere")
    moved = conversations(
        *(utterance(f"u{index}", sound=tmp_path / "elsewhere" / f"{index}.wav") for index in range(COUNT))
    )
    heard(moved, network, cache)
    assert network.calls == COUNT


def test_an_interrupted_run_goes_on_where_it_stopped(spoken: Conversations, cache: Path) -> None:
    class Impatient(Loudness):
        def forward(self, sounds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            if self.calls == 5:
                raise KeyboardInterrupt
            return super().forward(sounds)

    network = Impatient()
    with pytest.raises(KeyboardInterrupt):
        heard(spoken, network, cache)
    network.calls = -100  # it is patient from now on
    resumed = heard(spoken, network, cache).branches["audio"]
    assert network.calls == -100 + COUNT - 4  # two blocks of two were finished
    whole = heard(spoken, Loudness(), cache.with_name("other")).branches["audio"]
    assert np.array_equal(resumed.output.embeddings, whole.output.embeddings)


@pytest.mark.parametrize("damage", [b"", b"half of a", bytes(400)])
def test_a_damaged_file_is_never_read_but_made_again(spoken: Conversations, cache: Path, damage: bytes) -> None:
    network = Loudness()
    before = heard(spoken, network, cache).branches["audio"].output.embeddings
    damaged = next(cache.rglob("*.safetensors"))
    whole = damaged.read_bytes()
    damaged.write_bytes(damage or whole[:-5])
    after = heard(spoken, network, cache).branches["audio"].output.embeddings
    assert network.calls > COUNT
    assert np.array_equal(before, after)
    assert load_block(damaged) is not None


@contextmanager
def little_space(size: int) -> Iterator[None]:
    """Let no file grow larger, which is told as a full disk is: in the middle of a write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_told_with_what_to_do_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    found = row(np.ones(300, np.float32), np.ones(7, np.float32))
    with little_space(100), pytest.raises(FileError, match=r"rows.*can't be written.*free some space"):
        save_block(FeatureBlock([found]), tmp_path / "rows.safetensors")
    assert not list(tmp_path.iterdir())


def test_rows_come_back_with_their_gaps_and_faults(tmp_path: Path) -> None:
    kept = row(np.arange(3, dtype=np.float32), np.ones(2, np.float32))
    fault = MediaFault("u1", "gone.mp4 can't be read", "unreadable")
    save_block(FeatureBlock([None, kept, None], [fault]), tmp_path / "rows.safetensors")
    block = load_block(tmp_path / "rows.safetensors")
    assert block is not None
    assert block.faults == [fault]
    assert [value is None for value in block.values] == [True, False, True]
    assert block.values[1] is not None
    assert np.array_equal(block.values[1]["embedding"], kept["embedding"])
    save_block(FeatureBlock([None, None]), tmp_path / "none.safetensors")
    nothing = load_block(tmp_path / "none.safetensors")
    assert nothing is not None
    assert nothing.values == [None, None]
    assert load_block(tmp_path / "gone.safetensors") is None


def test_a_network_is_known_by_its_make_and_its_weights() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).to(torch.bfloat16)
    known = network_digest(network)
    assert network_digest(network) == known
    assert network_digest(nn.Sequential(network[0], nn.Tanh())) != known
    with torch.no_grad():
        network[0].bias[0] += 1
    assert network_digest(network) != known


_VICTIM = """
import sys
import threading
from pathlib import Path
sys.path.insert(0, {here!r})
from small_media import Loudness, conversations, ears, utterance
from trainer.features import blocks
from trainer.features.extract import extract_features
hear = Loudness.forward
def hear_four(network, sounds):
    if network.calls >= 4:
        threading.Event().wait()
    return hear(network, sounds)
Loudness.forward = hear_four
blocks.BLOCK = 2
folder = Path(sys.argv[1])
spoken = conversations(*(utterance(f"u{{i}}", sound=folder / "media" / f"{{i}}.wav") for i in range(7)))
extract_features(spoken, ears(Loudness()), folder / "cache")
"""


@pytest.mark.slow
def test_a_process_that_is_killed_loses_no_block_that_was_done(
    spoken: Conversations, cache: Path, tmp_path: Path
) -> None:
    script = tmp_path / "victim.py"
    script.write_text(_VICTIM.format(here=str(Path(__file__).parent)))
    victim = subprocess.Popen([sys.executable, script, tmp_path], env=os.environ | {"PYTHONPATH": "."})
    wait_until(lambda: len(list(cache.rglob("[!.]*.safetensors"))) == 2 or victim.poll() is not None)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    network = Loudness()
    resumed = heard(spoken, network, cache).branches["audio"]
    assert network.calls == COUNT - 4
    shutil.rmtree(cache)
    assert np.array_equal(
        resumed.output.embeddings, heard(spoken, Loudness(), cache).branches["audio"].output.embeddings
    )
