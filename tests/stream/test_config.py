from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.config import ConfigError, describe_settings, load_settings
from stream.settings import Settings


def written(folder: Path, text: str) -> Path:
    file = folder / "settings.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def problems(file: Path | None = None, *words: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(file, words)
    return str(caught.value).splitlines()


def test_nothing_given_is_the_defaults() -> None:
    assert load_settings() == Settings()


def test_file_changes_defaults_and_words_change_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, "server:\n  port: 9000\n  host: 0.0.0.0\nsegmenter:\n  threshold: 0.6\n")
    settings = load_settings(file, ["server.port=9100"])
    assert (settings.server.port, settings.server.host, settings.segmenter.threshold) == (9100, "0.0.0.0", 0.6)  # noqa: S104 - a value, nothing listens


def test_last_word_of_a_key_counts() -> None:
    assert load_settings(overrides=["server.port=1", "server.port=2"]).server.port == 2


@pytest.mark.parametrize("word", ["transcriber.language=no", "transcriber.language= no "])
def test_norwegian_is_a_language(word: str) -> None:
    assert load_settings(overrides=[word]).transcriber.language == "no"


def test_norwegian_is_a_language_in_a_file(tmp_path: Path) -> None:
    assert load_settings(written(tmp_path, "transcriber: {language: no}")).transcriber.language == "no"


@pytest.mark.parametrize("nothing", ["", "null", "None", "~"])
def test_words_for_nothing(nothing: str) -> None:
    assert load_settings(overrides=[f"transcriber.model={nothing}"]).transcriber.model is None


@pytest.mark.parametrize("text", ["", "# only a comment\n", "server:\n", "server: null\n"])
def test_empty_file_or_section_is_the_defaults(tmp_path: Path, text: str) -> None:
    assert load_settings(written(tmp_path, text)) == Settings()


def test_unknown_key_names_the_nearest() -> None:
    assert problems(None, "segmenter.min_speach_ms=10") == [
        "segmenter.min_speach_ms: unknown; did you mean min_speech_ms?"
    ]


def test_unknown_section_names_the_nearest_or_all() -> None:
    assert problems(None, "sever.port=1") == ["sever: unknown; did you mean server?"]
    (line,) = problems(None, "zzz.port=1")
    assert "there is segmenter, transcriber" in line


def test_every_problem_has_its_line() -> None:
    lines = problems(None, "server.port=70000", "segmenter.threshold=x", "runtime.engine=abacus")
    assert len(lines) == 3
    assert "server.port: input should be less than or equal to 65535, not '70000'" in lines
    assert any(line.startswith("runtime.engine: ") and "openvino" in line for line in lines)


def test_rules_between_keys_are_told_in_their_own_words() -> None:
    assert problems(None, "segmenter.release=0.9") == ["segmenter.release must not exceed segmenter.threshold"]


@pytest.mark.parametrize("word", ["port=9000", "server.port", "=1", "server.=1", ".port=1", ""])
def test_words_of_another_form_are_refused(word: str) -> None:
    (line,) = problems(None, word)
    assert "section.key=value" in line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n- b\n", "needs sections with keys"),
        ("just words", "needs sections with keys"),
        ("server: [1, 2", "not YAML"),
        ("server: 5", "server: is a section and needs keys under it, not '5'"),
    ],
)
def test_bad_files_are_told_plainly(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in "\n".join(problems(written(tmp_path, text)))


def test_file_with_a_plain_section_and_a_word_for_it_is_told_plainly(tmp_path: Path) -> None:
    assert "server: is a section" in "\n".join(problems(written(tmp_path, "server: 5"), "server.port=1"))


def test_missing_file_folder_and_binary_file(tmp_path: Path) -> None:
    assert "No such file" in problems(tmp_path / "none.yaml")[0]
    assert "directory" in problems(tmp_path)[0]
    binary = tmp_path / "clip.mp4"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    assert "not a text file" in problems(binary)[0]


@given(st.text(max_size=40))
def test_any_word_gives_settings_or_a_config_error(word: str) -> None:
    try:
        load_settings(overrides=[word])
    except ConfigError as error:
        assert str(error)  # noqa: PT017 - either outcome is right; an error must say something


def test_described_settings_are_all_of_them_with_their_defaults() -> None:
    described = {name: default for name, default, _ in describe_settings()}
    assert described["server.port"] == "8765"
    assert described["runtime.bundle"] == "none"
    assert len(described) == sum(len(type(section).model_fields) for _, section in Settings())
