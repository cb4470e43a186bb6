"""What verbs take and give, by one name each: for pages, which import nothing below `workflow`.

Types of results and of requests, the registries that menus are made from, and how keys, pictures
and places are read and written. No verb stands here, and nothing wraps what it names.
"""

from influence_core.cleansing.choose import class_changes, warnings_of
from influence_core.data.dataset import CONTENT_WORDS, Split, containing
from influence_core.data.images import thumbnail
from influence_core.data.keys import from_hex, to_hex
from influence_core.data.options import ALL_COLUMNS, NO_COLUMN, ReadOptions
from influence_core.data.readers.registry import TITLES
from influence_core.disk.atomic import plain_errors
from influence_core.disk.demo import is_demo
from influence_core.disk.names import projects_home
from influence_core.influence import ESTIMATORS
from influence_core.installed import sample_names, sample_root
from influence_core.labels.agreement import agreement
from influence_core.models.device import DEVICES, device_name, memory_words, pick_device
from influence_core.store.evaluations import EvaluationRecord, read_evaluation
from influence_core.store.exports.edits import FORMATS as EXPORT_FORMATS
from influence_core.store.exports.edits import OWN as OWN_FORMATS
from influence_core.store.exports.edits import Edit, ExportOptions, natural_format, usual_suffix
from influence_core.store.project import Project, list_projects
from influence_core.store.reviews.events import Event, new_action
from influence_core.store.reviews.proposals import accepted
from influence_core.store.runs import Run, RunRecord
from influence_core.store.samples import install_samples
from influence_core.store.slices import SavedSlice, delete_slice, save_slice, saved_slices
from influence_core.training.heads.presets import PRESETS, STANDARD

__all__ = [
    "ALL_COLUMNS",
    "CONTENT_WORDS",
    "DEVICES",
    "ESTIMATORS",
    "EXPORT_FORMATS",
    "NO_COLUMN",
    "OWN_FORMATS",
    "PRESETS",
    "STANDARD",
    "TITLES",
    "Edit",
    "EvaluationRecord",
    "Event",
    "ExportOptions",
    "Project",
    "ReadOptions",
    "Run",
    "RunRecord",
    "SavedSlice",
    "Split",
    "accepted",
    "agreement",
    "class_changes",
    "containing",
    "delete_slice",
    "device_name",
    "from_hex",
    "install_samples",
    "is_demo",
    "list_projects",
    "memory_words",
    "natural_format",
    "new_action",
    "pick_device",
    "plain_errors",
    "projects_home",
    "read_evaluation",
    "sample_names",
    "sample_root",
    "save_slice",
    "saved_slices",
    "thumbnail",
    "to_hex",
    "usual_suffix",
    "warnings_of",
]
