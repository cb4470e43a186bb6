"""Turnover: which training rows helped and which harmed, measured by turn-over dropout.

This is the one public door: what scripts and notebooks use is imported from here and nowhere else.

    from influence_core import Project, explain, open_run

    run = open_run(Project.open("films"))
    explain(run, "a dull, grey mess").harmful  # the training rows that worked against the answer

Each name is imported when it is first used, so that `import influence_core` loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers and editors; `_HOMES` says the same at run time
    from influence_core.classifier import TurnoverClassifier
    from influence_core.influence import ESTIMATORS
    from influence_core.influence.network_scan import network_scan
    from influence_core.notebook import show
    from influence_core.store.project import Project
    from influence_core.training.networks.kept import load_injected
    from influence_core.training.networks.own_loop import KeyCarrier
    from influence_core.training.networks.trainer_callback import KeyCallback, KeyCollator
    from influence_core.turnover.audit.audit import audit, freeze_shared
    from influence_core.turnover.exposure import exposure
    from influence_core.turnover.inject.inject import inject
    from influence_core.turnover.layer import TurnoverDropout
    from influence_core.workflow.explain.explain import explain
    from influence_core.workflow.session import open_session as open_run
    from influence_core.workflow.train.publish import publish

__all__ = [
    "ESTIMATORS",
    "KeyCallback",
    "KeyCarrier",
    "KeyCollator",
    "Project",
    "TurnoverClassifier",
    "TurnoverDropout",
    "audit",
    "explain",
    "exposure",
    "freeze_shared",
    "inject",
    "load_injected",
    "network_scan",
    "open_run",
    "publish",
    "show",
]

_HOMES = {
    "ESTIMATORS": "influence:ESTIMATORS",
    "KeyCallback": "training.networks.trainer_callback:KeyCallback",
    "KeyCarrier": "training.networks.own_loop:KeyCarrier",
    "KeyCollator": "training.networks.trainer_callback:KeyCollator",
    "Project": "store.project:Project",
    "TurnoverClassifier": "classifier:TurnoverClassifier",
    "TurnoverDropout": "turnover.layer:TurnoverDropout",
    "audit": "turnover.audit.audit:audit",
    "explain": "workflow.explain.explain:explain",
    "exposure": "turnover.exposure:exposure",
    "freeze_shared": "turnover.audit.audit:freeze_shared",
    "inject": "turnover.inject.inject:inject",
    "load_injected": "training.networks.kept:load_injected",
    "network_scan": "influence.network_scan:network_scan",
    "open_run": "workflow.session:open_session",
    "publish": "workflow.train.publish:publish",
    "show": "notebook:show",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    found = getattr(import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = found  # the next time it is found without us
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
