"""Which item an answer is about. Called by the verb `explain` and for the card of a scores file."""

from typing import Any

from influence_core.data.keys import to_hex
from influence_core.workflow.explain.items import Item
from influence_core.workflow.session import Session


def named(session: Session, item: Item) -> dict[str, Any]:
    """Which item it is: `split`, `id` and `key` (hex).

    Of one's own item only a sentence can be named, by itself: `text`, and None for the others.
    """
    if item.split is None or item.key is None:
        text = item.content if isinstance(item.content, str) else None
        return {"split": None, "id": None, "key": None, "text": text}
    split = session.project.dataset.split(item.split)
    return {"split": item.split, "id": split.ids[split.position(item.key)], "key": to_hex(item.key)}


def described(session: Session, item: Item) -> dict[str, Any]:
    """The same with its place and content: `row` in the source from 1, and `text` or `image`.

    `image` is a path within the source; a picture without a file of its own has none.
    """
    found = named(session, item)
    if item.split is None or item.key is None:
        return found
    split = session.project.dataset.split(item.split)
    position = split.position(item.key)
    found["row"] = int(split.rows[position]) + 1
    if split.content_column == "text":
        found["text"] = split.texts([position])[0]
    elif split.content_column == "image_path":
        found["image"] = split.table.column("image_path")[position].as_py()
    return found
