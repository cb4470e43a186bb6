"""What the command line knows, for tests that hold documents to it."""

from influence_core.cli.verbs import VERBS, loaded


def command(name):
    """The command of a verb; fails where there is none."""
    return loaded(name)


def options_of(name):
    return {
        option
        for parameter in command(name).params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }


def every_option():
    return {option for name in VERBS for option in options_of(name)}
