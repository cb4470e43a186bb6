"""Where an unfinished training of a head lies in its project, so that the same `train` goes on.

The file's name and content say all that decides the result; a training with other data, features,
settings or code does not find it. It goes when the run is stored. Called by `train`.
"""

from influence_core.disk.checkpoint import code_fingerprint, remove_forgotten
from influence_core.store.project import Project
from influence_core.training.features import Standardised
from influence_core.training.heads.checkpoint import HeadCheckpoint, identity
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig
from influence_core.workflow.cluster.cluster import Cluster

FOLDER = "checkpoints"


def head_checkpoint(
    project: Project,
    rows: Rows,
    config: HeadConfig,
    training: HeadTraining,
    cluster: Cluster | None = None,
) -> HeadCheckpoint:
    """The checkpoint of this training, begun or not; forgotten ones of others are removed.

    The device counts, because only on the same one are the weights those of an unbroken training;
    so does whether a cluster trains, which rounds in another way. How many workers it has does not:
    it may have more or fewer by then, and going on is worth more than the last bits.
    """
    features = rows.features
    device = features.mean.device.type if isinstance(features, Standardised) else ""
    about = {
        "data": project.fingerprint,
        "encoder": project.settings.encoder_fingerprint,
        "code": code_fingerprint(),
        "device": device,
        "workers": "" if cluster is None else cluster.device,
    }
    belongs_to = identity(rows, config, training, about)
    folder = project.root / FOLDER
    own = folder / f"head-{belongs_to[:16]}.safetensors"
    remove_forgotten(folder, "head-*.safetensors", own.name)
    return HeadCheckpoint(own, belongs_to)
