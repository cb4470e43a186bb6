"""A project with sets of copies within train and across splits, for tests of what is decided."""

from tiny import sentences

from influence_core.data.build import build_dataset
from influence_core.store.project import Project
from influence_core.workflow.review.copies import all_copies, standing
from influence_core.workflow.train.head import TrainOptions, train

LONG = [
    "the plot is thin but the actors save the evening", "nobody liked the soundtrack of it at all",
    "what a waste of popcorn and of two hours", "a train came late and so did the film crew",
]  # fmt: skip
# Of each sentence: labels of its exact copies in train, of a near copy there, and those in test.
PLAN = [([0, 1, 1], [0], []), ([0, 1], [], []), ([1], [1], [1]), ([0, 0], [], [0, 1])]


def built(root):
    texts, labels = sentences(20)
    other, others = sentences(12, seed=5)
    other = [f"unseen {text}" for text in other]
    for text, (exact, near, held) in zip(LONG, PLAN, strict=True):
        texts += [*[text] * len(exact), *[f"and {text}"] * len(near)]
        labels += [*exact, *near]
        other += [text] * len(held)
        others += held
    other += [f"{text} twice" for text in ("held back from training", "held back from training")]
    parts = {
        "train": {"text": texts, "label": labels},
        "test": {"text": other, "label": [*others, 0, 1]},
    }
    made = Project.create(root, "Copies", build_dataset(parts, ["bad", "good"]), "minilm")
    train(made, TrainOptions(members=1, width=8, epochs=1, device="cpu"))
    return Project.open(root)


def now(desk):
    return standing(desk, all_copies(desk.session.project))
