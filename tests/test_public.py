"""The public door: it opens without heavy libraries, and behind each name is what it says."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import influence_core

HEAVY = ("torch", "numpy", "pandas", "sklearn", "numba", "transformers", "datasets", "streamlit")
FUNCTIONS = (
    "audit", "explain", "freeze_shared", "inject", "load_injected", "network_scan", "open_run",
    "publish", "show",
)  # fmt: skip
CLASSES = (
    "KeyCallback", "KeyCarrier", "KeyCollator", "Project", "TurnoverClassifier",
    "TurnoverDropout", "exposure",
)  # fmt: skip


def loaded_by(code):
    """Modules that a fresh interpreter has loaded after some lines."""
    lines = f"import sys\n{code}\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_door_loads_nothing_heavy_and_nothing_of_ours():
    found = loaded_by("import influence_core, influence_core as i; dir(i)")
    assert not {name for name in found if name.split(".")[0] in HEAVY}
    assert {name for name in found if name.startswith("influence_core.")} == set()


def test_a_name_loads_what_it_needs_only():
    assert "torch" in loaded_by("from influence_core import TurnoverDropout")
    assert "pandas" not in loaded_by("from influence_core import TurnoverDropout, exposure")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_functions_not_the_packages_of_the_same_name(name):
    # The packages first: importing a submodule sets an attribute of its parent.
    import influence_core.turnover.audit.audit
    import influence_core.turnover.inject.inject
    import influence_core.workflow.explain.explain
    import influence_core.workflow.train.publish

    assert inspect.isfunction(getattr(influence_core, name))
    assert inspect.getdoc(getattr(influence_core, name))


@pytest.mark.parametrize("name", CLASSES)
def test_classes_are_classes(name):
    assert inspect.isclass(getattr(influence_core, name))


def test_the_three_lists_of_the_door_agree():
    public = {*FUNCTIONS, *CLASSES, "ESTIMATORS"}
    tree = ast.parse(Path(influence_core.__file__).read_text("utf-8"))
    (guarded,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {}
    for line in guarded.body:
        for name in line.names:
            typed[name.asname or name.name] = f"{line.module}:{name.name}"
    homes = {name: f"influence_core.{home}" for name, home in influence_core._HOMES.items()}
    assert typed == homes
    assert public == set(influence_core.__all__) == set(homes) <= set(dir(influence_core))


def test_an_unknown_name_is_an_attribute_error_and_types_travel_along():
    with pytest.raises(AttributeError, match="nothing_here"):
        influence_core.nothing_here  # noqa: B018
    assert (Path(influence_core.__file__).parent / "py.typed").is_file()
