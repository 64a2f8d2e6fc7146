"""``m2fnet evaluate tables``: the paper's tables, trained anew, beside the paper's figures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer
from rich.console import Console

from commands.common import BundleName, Set, Verbose, err, told
from commands.outputs import (
    CSV_ENCODING,
    STDOUT,
    CsvOut,
    JsonOut,
    MarkdownOut,
    Root,
    corpus_folder,
    listed,
    numbers,
    require_reports,
    write_text,
)

if TYPE_CHECKING:
    from trainer.config import TrainConfig
    from trainer.evaluation.table_data import TableData
    from trainer.evaluation.tables import TableLine

RUNS: Final = Path("runs/tables")


def evaluate_tables(
    dataset: Annotated[Literal["meld", "iemocap"], typer.Option(help="The corpus.")],
    root: Root = None,
    tables: Annotated[
        list[str] | None, typer.Option("--tables", metavar="LIST", help="Of 2, 3, 4, 5; all if none is named.")
    ] = None,
    rows: Annotated[
        list[str] | None,
        typer.Option("--rows", metavar="LIST", help="Single rows, such as 2:text+audio,4:3."),
    ] = None,
    bundle: BundleName = "starter",
    split: Annotated[str, typer.Option(help="What is scored; checkpoints are chosen on dev.")] = "test",
    seeds: Annotated[
        list[str] | None, typer.Option("--seeds", metavar="LIST", help="Each row is trained once with each.")
    ] = None,
    runs: Annotated[Path, typer.Option(file_okay=False, help="Folder of results; those there are kept.")] = RUNS,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Settings; configs/DATASET.yaml if unset.")
    ] = None,
    set_: Set = None,
    markdown: MarkdownOut = None,
    csv: CsvOut = None,
    as_json: JsonOut = None,
    verbose: Verbose = False,
) -> None:
    """Train the rows of the paper's tables 2 to 5 and print them beside the paper's figures.

    What was trained before with the same settings and features is not trained again. A row that there are no data for
    (no clips, no scene branch in the bundle, no such split) says so and stays empty.

    Examples:
        m2fnet evaluate tables --dataset meld --root MELD

        m2fnet evaluate tables --dataset meld --root MELD --tables 4,5 --seeds 0,1,2

        m2fnet evaluate tables --dataset meld --root MELD --rows 2:text --split dev --set fusion.fit.epochs=10
    """
    with told(verbose=verbose):
        from trainer.config import load_train_config, shipped_config  # noqa: PLC0415 - see the module's docstring
        from trainer.evaluation.ablations import chosen_rows  # noqa: PLC0415 - see the module's docstring
        from trainer.evaluation.tables import TablePlan, run_tables  # noqa: PLC0415 - see the module's docstring

        chosen = chosen_rows(numbers(tables, "--tables"), listed(rows))
        settings = load_train_config(config or shipped_config(dataset), set_ or [])
        plan = TablePlan(settings.fusion, tuple(numbers(seeds, "--seeds") or [0]), runs / dataset / "results")
        folder = root or settings.dataset.root or corpus_folder(None, dataset)
        read = [folder, Path(split), config]
        require_reports([markdown, csv, as_json], folders=[runs], inputs=read, bundles=[bundle])
        data = _data(bundle, dataset, folder, split, runs, settings)
        lines = list(run_tables(chosen, data, dataset, plan))
        title = f"{dataset}, {split}, features of {bundle}, seeds {', '.join(map(str, plan.seeds))}"
        _write(lines, title, markdown=markdown, csv=csv, as_json=as_json)


def _data(
    bundle: str, dataset: Literal["meld", "iemocap"], root: Path, split: str, runs: Path, settings: "TrainConfig"
) -> "TableData | str":
    """Return the features, or why there are none."""
    from models.bundle import load_bundle  # noqa: PLC0415 - see the module's docstring
    from models.bundle_config import find_bundle  # noqa: PLC0415 - see the module's docstring
    from trainer.data.conversation import AbsentError  # noqa: PLC0415 - see the module's docstring
    from trainer.evaluation.table_data import load_table_data  # noqa: PLC0415 - see the module's docstring
    from trainer.features.extractors import Extractors  # noqa: PLC0415 - see the module's docstring

    extractors = Extractors.of(load_bundle(find_bundle(bundle)))
    try:
        return load_table_data(extractors, dataset, root, split, runs / dataset / "features", settings.features)
    except AbsentError as error:
        return str(error)


def _write(
    lines: "list[TableLine]", title: str, *, markdown: Path | None, csv: Path | None, as_json: Path | None
) -> None:
    from trainer.evaluation import render_tables  # noqa: PLC0415 - see the module's docstring

    console = err if STDOUT in {markdown, csv, as_json} else Console()
    console.print(render_tables.terminal(lines, title), highlight=False)
    write_text(markdown, render_tables.markdown(lines, title))
    write_text(csv, render_tables.as_csv(lines), CSV_ENCODING)
    write_text(as_json, render_tables.as_json(lines, title))
