"""How the wizard reads a source: of the file first, then which column is what.

Each control fills one field of `ReadOptions`, and stays where it is when the source is refused, so
that what an error names can be chosen.
"""

from dataclasses import replace
from typing import Any

import streamlit as st

from influence_core.errors import DataError
from influence_core.workflow.projects.preview import FirstLook, lines_as_read
from influence_core.workflow.projects.uploads import holds_text, is_text, is_workbook
from influence_core.workflow.results import ALL_COLUMNS, NO_COLUMN, ReadOptions
from pages.ui.draw.content import visible
from pages.ui.draw.text import plain
from pages.ui.frame.reading import QUOTINGS, WIDTH, encoding_menu, found_menu
from pages.ui.projects.wizard_source import ChosenSource, paths_allowed

NONE, FIND = "(none)", "(choose)"
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
# As `--join` and `--leave-out` take them.
JOINS = {"alike": "names that may be one class", "first": "the first of several labels a row"}
OUT = {"missing": "all that read like a missing label"}
YES_NO = {"yes": True, "no": False}


def how_to_read(source: ChosenSource) -> ReadOptions:
    """What has to be known before the first look; found out by itself unless told here."""
    options = ReadOptions(kind=source.kind)
    if source.kind == "hub":
        with st.container(horizontal=True, gap="medium"):
            given = {
                "config": st.text_input(
                    "Configuration", key=f"wizard_config_{source.token}", width=WIDTH,
                    help="Needed where the data set has several.",
                ),
                "revision": st.text_input(
                    "Revision", key=f"wizard_revision_{source.token}", width=WIDTH,
                    help="Branch, tag or commit; the newest by default.",
                ),
            }  # fmt: skip
        return replace(options, **{name: text.strip() or None for name, text in given.items()})
    if is_workbook(source.place):
        sheet = st.text_input(
            "Sheet", key=f"wizard_sheet_{source.token}", width=WIDTH,
            help="Of a workbook with several; found by its columns unless named.",
        )  # fmt: skip
        return replace(options, sheet=sheet.strip() or None)
    if not holds_text(source.place):
        return options
    with st.expander("How the file is read", key=f"wizard_reading_{source.token}"):
        with st.container(horizontal=True, gap="medium"):
            encoding = encoding_menu(f"wizard_encoding_{source.token}")
            delimiter = found_menu("Delimiter", f"wizard_Delimiter_{source.token}", DELIMITERS)
            quoting = found_menu("Quoting", f"wizard_Quoting_{source.token}", QUOTINGS)
            header = found_menu(
                "First line names the columns",
                f"wizard_First line names the columns_{source.token}",
                YES_NO,
            )
        if encoding and is_text(source.place):
            st.caption("The first lines that the encoding matters for, as they are read by it:")
            for line in lines_as_read(source.place, encoding) or ["(none)"]:
                st.text(visible(line))
    return replace(options, encoding=encoding, delimiter=delimiter, quoting=quoting, header=header)


def columns(source: ChosenSource, look: FirstLook, reading: ReadOptions) -> ReadOptions | None:
    """The menus; None as long as the label or the content is not chosen."""
    roles, names = look.roles, list(look.columns)
    if look.problem:
        st.warning(plain(visible(source.sentence(DataError(look.problem)))))
    # Rows with features need neither; another title is another menu with its own choice.
    what, all_columns = "Sentence or image", list[str]()
    if reading.features:
        what, all_columns = "Sentence, image, or all columns", [ALL_COLUMNS]
    # One line also in a narrow window, so that the button below stays in sight.
    places = st.columns(3, gap="medium")
    with places[0]:
        content = _menu(
            what, source, [*names, *all_columns], roles.content if roles else None, FIND
        )
    with places[1]:
        label = _menu("Label", source, names, roles.label if roles else None, FIND)
    with places[2]:
        ident = _menu("Id", source, names, roles.id if roles else None, NONE)
    more = _more(source, look, content)
    if content is None or label is None:
        st.info("Choose the column of the sentence or image, and the column of the label.")
        return None
    further = more.pop("further")
    return replace(
        reading,
        kind=look.kind,
        content_column=",".join([content, *further]),
        label_column=label,
        id_column=NO_COLUMN if ident is None else ident,
        **more,
    )


def _more(source: ChosenSource, look: FirstLook, content: str | None) -> dict[str, Any]:
    """What few need: fields of `ReadOptions`, and under "further" columns that join the content."""
    names, token = list(look.columns), source.token
    with (
        st.expander("More about the columns", key=f"wizard_more_{token}"),
        st.container(horizontal=True, gap="medium"),
    ):
        others = [i for i, name in enumerate(names) if name != content]
        further = st.multiselect(
            "Further text columns",
            others,
            format_func=lambda i: visible(names[i])[:80],
            key=f"wizard_further_{token}",
            help="Their texts are read below the sentence.",
            width=WIDTH,
        )
        split = _menu("Split", source, names, look.roles.split if look.roles else None, NONE)
        splits = st.text_input(
            "Splits", key=f"wizard_splits_{token}", placeholder="test=validation", width=WIDTH,
            help="Our names of splits that the source calls otherwise: train=all,test=validation.",
        )  # fmt: skip
        group = _menu("Group", source, names, None, NONE)
        given = st.text_area(
            "Class names",
            key=f"wizard_classes_{token}",
            help="One a line, for labels that are the numbers 0, 1, 2, …; or in the order wanted.",
            width=WIDTH,
            height=100,
        )
        join = _several(
            "Join labels", source, JOINS,
            "Labels that become one class; or type CLASS=LABEL for one of your own.",
        )  # fmt: skip
        leave_out = _several(
            "Leave out labels", source, OUT, "Rows with these labels are left out; type others."
        )
        root = (
            st.text_input("Image folder", key=f"wizard_root_{token}", width=WIDTH,
                          help="That paths of images are relative to; by default the file's.")
            if paths_allowed() else ""
        )  # fmt: skip
    classes = tuple(line.strip() for line in given.splitlines() if line.strip())
    return {
        "further": [names[i] for i in further],
        "split_column": NO_COLUMN if split is None else split,
        "splits": tuple(splits.split(",")) if splits.strip() else None,
        "group_column": group,
        "classes": classes or None,
        "join": join,
        "leave_out": leave_out,
        "image_root": root.strip() or None,
    }


def _several(
    title: str, source: ChosenSource, known: dict[str, str], help_: str
) -> tuple[str, ...] | None:
    """What is chosen of what the option knows, or typed; None if nothing is."""
    chosen = st.multiselect(
        title,
        list(known),
        format_func=lambda name: known.get(name, visible(name)),
        accept_new_options=True,
        key=f"wizard_{title}_{source.token}",
        help=help_,
        width=WIDTH,
    )
    return tuple(chosen) or None


def _shown(name: str) -> str:
    return "(all columns, as a table)" if name == ALL_COLUMNS else visible(name)[:80]


def _menu(
    title: str, source: ChosenSource, names: list[str], guess: str | None, nothing: str
) -> str | None:
    # Numbers, not names: a column may be called like the word for no column.
    chosen = st.selectbox(
        title,
        [-1, *range(len(names))],
        index=names.index(guess) + 1 if guess in names else 0,
        format_func=lambda i: nothing if i < 0 else _shown(names[i]),
        key=f"wizard_{title}_{source.token}",
        width=WIDTH,
    )
    return None if chosen < 0 else names[chosen]
