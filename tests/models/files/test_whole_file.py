import errno
import os
import stat
from pathlib import Path

import pytest
from full_disk import full_disk

from models.files.file_names import encodable, shown
from models.files.output_checks import require_apart, require_no_binary, require_outside
from models.files.whole_file import FileError, require_file, require_folder, whole_file

posix = pytest.mark.skipif(os.name != "posix", reason="links, rights and pipes of Unix")
not_root = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")


def left_behind(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if ".partial" in path.name]


def test_a_file_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "made" / "x.txt"
    with whole_file(path) as partial:
        partial.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert not left_behind(path.parent)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_breaks_while_it_is_written_leaves_the_old_one(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "x.txt"
    path.write_text("old")

    def breaks() -> None:
        with whole_file(path) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(error):
        breaks()
    assert path.read_text() == "old"
    assert not left_behind(tmp_path)


def test_a_full_disk_leaves_the_old_one_and_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("old")

    def write() -> None:
        with full_disk(10_000), whole_file(path) as partial:
            partial.write_text("x" * 100_000)

    with pytest.raises(FileError, match=r"x\.txt can't be written \(File too large\): free some space"):
        write()
    assert path.read_text() == "old"
    assert not left_behind(tmp_path)


@posix
def test_rights_and_links_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "secret.txt", tmp_path / "link.txt"
    path.write_text("old")
    path.chmod(0o600)
    link.symlink_to(path)
    with whole_file(link) as partial:
        assert stat.S_IMODE(partial.stat().st_mode) == 0o600
        partial.write_text("new")
    assert (link.is_symlink(), path.read_text(), stat.S_IMODE(path.stat().st_mode)) == (True, "new", 0o600)


@posix
def test_what_is_no_file_is_written_to_and_stays() -> None:
    with whole_file(Path(os.devnull)) as partial:
        partial.write_text("nothing")
    require_file(Path(os.devnull))
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_names_as_long_as_there_can_be_are_written(tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * 250}.txt"
    with whole_file(path) as partial:
        partial.write_text("new")
    assert path.read_text() == "new"


@pytest.mark.parametrize(
    ("name", "why"),
    [("none/x.txt", "the folder .* does not exist; make it first"), ("folder", "is a folder"), ("y" * 300, "too long")],
)
def test_what_could_not_be_written_is_refused_at_once(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match=why):
        require_file(tmp_path / name)


@posix
def test_a_file_that_may_not_be_written_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.txt"
    path.write_text("old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write whatever the rights say
    with pytest.raises(FileError, match=r"write-protected.*choose a place"):
        require_file(path)
    with pytest.raises(FileError, match="write-protected"), whole_file(path):
        pass
    assert path.read_text() == "old"


@posix
@not_root
def test_a_folder_that_takes_no_files_is_refused_at_once(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    for refused in (lambda: require_file(tmp_path / "x"), lambda: require_folder(tmp_path)):
        with pytest.raises(FileError, match="Permission denied"):
            refused()


def test_a_check_changes_nothing_but_makes_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    require_file(path)
    path.write_text("old")
    require_file(path)
    require_folder(tmp_path / "a" / "b")
    assert path.read_text() == "old"
    assert sorted(found.name for found in tmp_path.rglob("*")) == ["a", "b", "x.txt"]
    with pytest.raises(FileError, match="not a folder"):
        require_folder(path)


def test_a_disk_that_is_full_already_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(FileError, match=r"No space left on device.*free some space"):
        require_file(tmp_path / "x.txt")
    assert not left_behind(tmp_path)


@posix
def test_an_output_that_is_an_input_is_refused_whatever_it_is_called(tmp_path: Path) -> None:
    source, folder = tmp_path / "s.wav", tmp_path / "recording"
    source.write_bytes(b"RIFF")
    folder.mkdir()
    (folder / "events.jsonl").touch()
    (tmp_path / "link").symlink_to(source)
    (tmp_path / "hard").hardlink_to(source)
    for name in ("s.wav", "recording/../s.wav", "link", "hard"):
        with pytest.raises(FileError, match="is also what is read"):
            require_apart([tmp_path / name], [source])
    with pytest.raises(FileError, match="is also what is read"):
        require_apart([folder / "events.jsonl"], [folder])
    with pytest.raises(FileError, match="two outputs"):
        require_apart([tmp_path / "x", tmp_path / "recording" / ".." / "x"], [])
    require_apart([tmp_path / "t.wav", folder / "report.html"], [source, folder, tmp_path / "none"])


@pytest.mark.parametrize("content", [b"RIFF\x24\x00\x00\x00WAVE", b"\x1aE\xdf\xa3\x01\x00"])
def test_text_does_not_take_the_place_of_media(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "b.wav"
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"holds no text, but perhaps media; remove it, or give another name"):
        require_no_binary(path)


@pytest.mark.parametrize("content", [b"", b"a,b\n", "\ufeffCaf\u00e9\t".encode(), b"Caf\xe9\r\n"])
def test_text_takes_the_place_of_text(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "b.csv"
    path.write_bytes(content)
    require_no_binary(path)
    require_no_binary(tmp_path / "none")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (os.fsdecode(b"caf\xe9.wav"), "caf\\xe9.wav"),
        ("caf\u00e9 \u4f60.wav", "caf\u00e9 \u4f60.wav"),
        ("a\nb\x1b[31m.wav", "a\\x0ab\\x1b[31m.wav"),
        ("half \ud83d", "half \\ud83d"),
    ],
)
def test_any_name_is_shown_as_a_line_of_valid_text(path: str, text: str) -> None:
    assert shown(path) == text
    assert shown(Path(path)) == text


def test_what_can_be_written_of_a_text_stays_as_it_is() -> None:
    text = "one\ntwo " + os.fsdecode(b"caf\xe9") + " \u00e9"
    assert encodable(text) == "one\ntwo caf\\xe9 \u00e9"


def test_a_folder_that_holds_only_its_own_files_gets_no_others(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    for output in (bundle, bundle / "scores.json", tmp_path / "none" / ".." / "bundle" / "new" / "x.onnx"):
        with pytest.raises(FileError, match="lies in the folder of a bundle"):
            require_outside([output], [tmp_path / "starter", bundle])
    require_outside([tmp_path / "bundle.json"], [bundle, tmp_path / "starter"])
