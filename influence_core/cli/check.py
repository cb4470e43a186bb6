"""The verb `check`: a gate for pipelines, without a project; it reads by the options of `new`."""

import inspect
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from influence_core.cli.common import (
    JsonOption,
    announce,
    app,
    bar,
    err,
    out,
    print_json,
    stoppable,
    verb,
)
from influence_core.cli.new import new_verb, read_options
from influence_core.cli.train.publish import OutOfSampleOption, ProbaOption
from influence_core.data.options import ReadOptions
from influence_core.disk.atomic import write_text
from influence_core.visible import visible
from influence_core.workflow.projects.checking import Checked, Proba, check_data
from influence_core.workflow.projects.create import NewProject
from influence_core.workflow.projects.named import read_places
from influence_core.workflow.projects.rules import RULES, Verdict, read_rules

BROKEN_CODE = 4
MOST_ROWS = 1_000  # of a finding, in JSON
_NO_XML = re.compile("[\ufffe\uffff]")  # what `visible` leaves and no XML may hold
# Parameters of `new` that say how data is read; nothing is cut off, so no shares.
READING = (
    {field.name for field in fields(ReadOptions)}
    | {"no_id", "no_split", "valid", "test", "encoder", "drop_bad", "options"}
) - {"valid_share", "test_share"}


def _with_reading(function: Callable[..., None]) -> Callable[..., None]:
    """With the options of `new` in the place of `**reading`."""
    new = inspect.signature(new_verb).parameters
    own = dict(inspect.signature(function).parameters)
    own.pop("reading")
    mine = [p.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD) for p in own.values()]
    needed = [p for p in mine if p.default is inspect.Parameter.empty]
    rest = [p for p in mine if p.default is not inspect.Parameter.empty]
    reading = [new[name] for name in new if name in READING]
    signature = inspect.Signature([*needed, *rest, *reading])
    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    return function


@app.command("check")
@_with_reading
@verb
def check_verb(
    context: typer.Context,
    data: Annotated[str, typer.Argument(help="As `turnover new` takes it; no project is made.")],
    fail_on: Annotated[
        str,
        typer.Option(
            help="Rules that must hold, with commas between: leakage, or how much may be: "
            f"duplicates>10, wrong-labels>2%. There are {', '.join(RULES)}."
        ),
    ] = "",
    junit: Annotated[
        Path | None, typer.Option(help="JUnit file to write, a test case for each rule.")
    ] = None,
    proba: ProbaOption = None,
    out_of_sample: OutOfSampleOption = False,
    json: JsonOption = False,
    **reading: Any,
) -> None:
    """Say what is wrong with a data set, and end with 4 if a rule is broken."""
    limits = read_rules(fail_on)
    request = NewProject(
        data, reading["valid"], reading["test"], None, reading["encoder"],
        read_options(context.params),
    )  # fmt: skip
    own = None if proba is None else Proba(read_places(proba), out_of_sample)
    with bar(json) as tell, stoppable() as cancel:
        checked = check_data(request, limits, own, progress=tell, cancel=cancel, announce=announce)
    if junit is not None:
        write_text(junit, junit_of(checked, data))
    if json:
        print_json(_plain(checked))
    else:
        _show(checked)
    _end(checked)


def _end(checked: Checked) -> None:
    """A rule that is broken, or could not be checked, lets no data through."""
    for verdict in checked.undecided:
        err.print(f"[red]Error:[/red] {verdict.rule}: {escape(verdict.sentence())}", soft_wrap=True)
    if checked.broken:
        raise typer.Exit(BROKEN_CODE)
    if checked.undecided:
        raise typer.Exit(1)


def _show(checked: Checked) -> None:
    for sentence in checked.account.sentences():
        out.print(escape(sentence), highlight=False, soft_wrap=True)
    for verdict in checked.verdicts:
        told = f"{verdict.rule}: {escape(verdict.sentence())}"
        if verdict.unknown:
            out.print(told, soft_wrap=True)
        elif verdict.count or verdict.limit:
            mark = "[red]broken[/red]" if verdict.broken else "holds" if verdict.limit else "found"
            out.print(f"{mark}: {told}", soft_wrap=True)
            for finding in verdict.findings:
                out.print(f"  {escape(finding.what)} {escape(finding.advice)}", soft_wrap=True)
    out.print(checked.compared, soft_wrap=True)


def _plain(checked: Checked) -> dict[str, Any]:
    return {
        "account": asdict(checked.account),
        "compared": checked.compared,
        "broken": [verdict.rule for verdict in checked.broken],
        "rules": [
            {
                "rule": v.rule,
                "about": RULES[v.rule].about,
                "count": v.count,
                "of": v.of,
                "limit": None if v.limit is None else str(v.limit),
                "broken": v.broken,
                "unknown": v.unknown or None,
                "findings": [
                    {
                        "severity": f.severity,
                        "what": f.what,
                        "advice": f.advice,
                        "split": f.split,
                        "rows": (f.rows[:MOST_ROWS] + 1).tolist(),
                    }
                    for f in v.findings
                ],
            }
            for v in checked.verdicts
        ],
    }


def junit_of(checked: Checked, name: str) -> str:
    """A JUnit document: a test case for each rule; one not asked for never fails."""
    cases = checked.verdicts
    suite = ET.Element(
        "testsuite",
        name=_xml(f"turnover check {name}"),
        tests=str(len(cases)),
        failures=str(len(checked.broken)),
        errors=str(len(checked.undecided)),
        skipped=str(sum(bool(v.unknown) and v.limit is None for v in cases)),
    )
    for verdict in cases:
        case = ET.SubElement(suite, "testcase", classname="turnover.check", name=verdict.rule)
        kind = _kind(verdict)
        told = "\n".join([verdict.sentence(), *(f"{f.what} {f.advice}" for f in verdict.findings)])
        entry = ET.SubElement(case, kind)
        if kind != "system-out":
            entry.set("message", _xml(verdict.sentence()))
        entry.text = _xml(told)
    root = ET.Element("testsuites")
    root.append(suite)
    return ET.tostring(root, encoding="unicode") + "\n"


def _xml(text: str) -> str:
    return _NO_XML.sub("\ufffd", visible(text))


def _kind(verdict: Verdict) -> str:
    if verdict.unknown:
        return "skipped" if verdict.limit is None else "error"
    return "failure" if verdict.broken else "system-out"
