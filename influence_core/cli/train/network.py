"""What whole networks add to the command line: options of `train --mode finetune`, and `audit`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from influence_core.cli.common import (
    JsonOption,
    RunOption,
    app,
    find_project,
    out,
    print_json,
    print_table,
    records,
    verb,
)
from influence_core.errors import ModelError
from influence_core.store.project import Project
from influence_core.store.runs import RECORD
from influence_core.training.networks.types import NetworkTraining, Watch
from influence_core.turnover.inject.twins import Twins
from influence_core.workflow.train.audit_report import audit_report
from influence_core.workflow.train.network import NetworkOptions

_PANEL = "With --mode finetune"
Mode = Literal["head", "finetune"]
ModeOption = Annotated[
    Mode, typer.Option(help="head: on the frozen encoder; finetune: the whole network.")
]
EncoderOption = Annotated[
    str | None,
    typer.Option(
        help="torchvision name, transformers name, folder, or vgg:PLAN from scratch; "
        "by default the project's encoder.",
        rich_help_panel=_PANEL,
    ),
]
LayersOption = Annotated[
    int | None,
    typer.Option(
        "--turnover-layers",
        min=0,
        help="Last blocks that carry masks, besides the classifier.",
        rich_help_panel=_PANEL,
    ),
]
TwinsOption = Annotated[
    Twins | None,
    typer.Option(help="Twin units: widen (default), start or off.", rich_help_panel=_PANEL),
]
BatchOption = Annotated[int | None, typer.Option(min=1, rich_help_panel=_PANEL)]
RateOption = Annotated[
    float | None, typer.Option(help="Highest learning rate.", rich_help_panel=_PANEL)
]
PatienceOption = Annotated[
    int | None,
    typer.Option(min=1, help="Epochs without improvement before it stops.", rich_help_panel=_PANEL),
]
WatchOption = Annotated[
    Watch | None,
    typer.Option(help="What early stopping looks at; flipped by default.", rich_help_panel=_PANEL),
]
PrecisionOption = Annotated[
    str | None, typer.Option(help="auto, no, bf16 or fp16.", rich_help_panel=_PANEL)
]


@dataclass(frozen=True)
class NetworkChoices:
    """The options of whole networks; None where the user chose nothing."""

    encoder: str | None = None
    turnover_layers: int | None = None
    twins: Twins | None = None
    batch: int | None = None
    lr: float | None = None
    patience: int | None = None
    watch: Watch | None = None
    precision: str | None = None

    def options(self, *, epochs: int | None, p: float, seed: int, device: str) -> NetworkOptions:
        """Together with the options that heads have too."""
        choices = {
            "epochs": epochs,
            "batch": self.batch,
            "patience": self.patience,
            "watch": self.watch,
            "precision": self.precision,
        }
        chosen = {name: value for name, value in choices.items() if value is not None}
        return NetworkOptions(
            encoder=self.encoder or "",
            blocks=self.turnover_layers,
            p=p,
            twins=self.twins or "widen",
            learning_rate=self.lr,
            training=NetworkTraining(seed=seed, device=device, **chosen),  # type: ignore[arg-type]
        )


def check(mode: Mode, choices: NetworkChoices, **of_heads: object) -> None:
    """Refuse options that would be passed over in silence.

    Args:
        choices: options of whole networks. of_heads: those of heads, by name; None: not chosen.

    Raises:
        ModelError: an option of whole networks without `--mode finetune`, or of heads with it, or a
            rate that is none.
    """
    if mode == "finetune" and of_heads.get("ray") is not None:
        raise ModelError(
            "--ray shares out the members of a head, and a whole network has none; start it on "
            "several devices with: accelerate launch -m influence_core.cli train ..."
        )
    passed_over = vars(choices) if mode == "head" else of_heads
    chosen = [name for name, value in passed_over.items() if value is not None]
    if chosen:
        raise ModelError(
            f"--{chosen[0].replace('_', '-')} is about whole networks; add --mode finetune, or "
            "leave it out to train a head on the frozen encoder."
            if mode == "head"
            else f"--{chosen[0]} is about heads; leave it out, or leave --mode finetune out to "
            "train a head on the frozen encoder."
        )
    if choices.lr is not None and not 0 < choices.lr < 10:
        raise ModelError(f"A learning rate of {choices.lr:g} cannot train; try 1e-3 or 1e-4.")


@app.command("audit")
@verb
def audit_verb(
    project: Annotated[str, typer.Argument(help="Project folder or name, or a run's folder.")],
    run: RunOption = None,
    json: JsonOption = False,
) -> None:
    """Show whether a row's flipped side reads anything that the row has taught."""
    folder = Path(project)
    if (folder / RECORD).is_file():
        opened, run = Project.open(folder.resolve().parent.parent), folder.resolve().name
    else:
        opened = find_project(project)
    found = audit_report(opened, run)
    if json:
        print_json(
            {
                "run": found.run,
                "isolated": found.isolated,
                "headline": found.headline,
                "parameters": records(found.table),
            }
        )
        return
    shown = found.table[["name", "size", "read", "shared", "isolated", "note"]]
    print_table(f"Run {found.run}", shown)
    out.print(escape(found.headline))
