"""The program of the live server, as ``m2fnet serve`` starts it.

docs/protocol.md describes what goes over its port; the parts are in serving/.
"""

from collections.abc import Sequence

from commands.common import group, run_app
from commands.serve import serve

app = group("")
app.command()(serve)


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what ``m2fnet serve`` does, with these arguments, those of the process if none; ends the process."""
    run_app(app, "m2fnet serve", arguments)


if __name__ == "__main__":
    main()
