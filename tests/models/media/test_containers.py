import ast
from pathlib import Path

ROOT = Path(__file__).parents[3]
CODE = [
    path
    for folder in (
        "models",
        "stream",
        "trainer",
        "serving",
        "commands",
        "m2fnet_client",
        "demo",
        "benchmarks",
        "scripts",
    )
    for path in (ROOT / folder).rglob("*.py")
] + [*ROOT.glob("*.py")]


def opens_media(path: Path) -> bool:
    """Return whether a module calls PyAV's ``open`` itself."""
    return any(
        isinstance(node, ast.Attribute) and node.attr == "open" and ast.unparse(node.value) in {"av", "av.container"}
        for node in ast.walk(ast.parse(path.read_text()))
    )


def test_all_media_go_through_one_door() -> None:
    assert [path.relative_to(ROOT) for path in CODE if opens_media(path)] == [Path("models/media/containers.py")]
