"""What `make docs` makes from the code: the two reference pages, and links out of the site."""

import re

import typer
from mkdocs.structure.files import File

import influence_core
from influence_core.cli.verbs import VERBS, loaded

# A link to a file of the checkout that is no page of the site: [text](../deploy/Caddyfile).
OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)]+)\)")


def on_files(files, config):
    """Add the pages that no one writes by hand."""
    for name, text in (("api.md", api_page()), ("cli.md", cli_page())):
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Name a file of the checkout where the site has nothing to link to."""
    return OUTSIDE.sub(r"\1 (`\2` in the checkout)", markdown)


def api_page():
    """Everything behind the public door, in the order of the door."""
    parts = [
        "# Python\n",
        "All of it is imported from `influence_core`; the modules behind it may move.\n",
    ]
    parts += [
        f"::: influence_core.{home.replace(':', '.')}\n" for home in influence_core._HOMES.values()
    ]
    return "\n".join(parts)


def cli_page():
    """Every verb with its arguments and options."""
    parts = [
        "# Command line\n",
        "Verbs end with 0 when done, 1 when refused with one sentence on standard error, 2 on "
        "wrong usage and 130 when stopped. Text of data is made visible before it is printed.\n",
    ]
    for verb in VERBS:
        parts += [f"## turnover {verb}\n", *_verb(verb)]
    return "\n".join(parts)


def _verb(verb):
    command = loaded(verb)
    context = typer.Context(command, info_name=f"turnover {verb}")
    usage = " ".join(command.collect_usage_pieces(context))
    return [
        re.sub(r"\[/?[a-z]+\]", "", command.help.strip()) + "\n",
        f"    turnover {verb} {usage}\n",
        "| | |\n|---|---|\n" + "\n".join(_row(one) for one in command.params) + "\n",
    ]


def _row(parameter):
    names = ", ".join((*parameter.opts, *parameter.secondary_opts))
    if parameter.param_type_name == "argument":
        names = parameter.name.upper()
    said = (getattr(parameter, "help", "") or "").replace("|", "\\|")
    default = parameter.default
    shown = (
        default not in (None, False, True, "", ())
        and not callable(default)
        and "default" not in said
    )
    return f"| `{names}` | {said}{f' Default: {default}.' if shown else ''} |"
