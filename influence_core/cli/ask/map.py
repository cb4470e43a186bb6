"""The verb of the map: map."""

from influence_core.cli.common import (
    JsonOption,
    ProjectArgument,
    RunOption,
    app,
    bar,
    find_project,
    out,
    print_json,
    stoppable,
    verb,
)
from influence_core.workflow.explain.map import make_map, map_path


@app.command("map")
@verb
def map_verb(project: ProjectArgument, run: RunOption = None, json: JsonOption = False) -> None:
    """Place the training rows on a map of two dimensions (UMAP of the encoder's features)."""
    opened = find_project(project)
    encoder = None if run is None else opened.run(run).record.encoder_fingerprint
    with bar(json) as tell, stoppable() as cancel:
        table = make_map(opened, encoder_fingerprint=encoder, progress=tell, cancel=cancel)
    if json:
        print_json({"points": len(table), "file": map_path(opened, encoder)})
        return
    out.print(f"{len(table):,} of {len(opened.dataset.train):,} training rows are on the map.")
