"""The wizard, started, filled in and read out."""

import time

from errors_page import APP
from streamlit.testing.v1 import AppTest
from tiny import sentences

from influence_core.jobs import find
from influence_core.store.project import list_projects, projects_home


def start(**address):
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.run()
    test.switch_page("pages/projects.py")
    for name, value in address.items():
        test.query_params[name] = value
    return test.run()


def given(path):
    test = start(new="1")
    test.segmented_control(key="wizard_way").set_value("Path on this machine").run()
    return test.text_input(key="wizard_path").set_value(str(path)).run()


def table(tmp_path, extra=()):
    texts, labels = sentences(60)
    lines = ["text,label", *(f"{t},{'good' if y else 'bad'}" for t, y in zip(texts, labels))]  # noqa: B905
    path = tmp_path / "mine.csv"
    path.write_text("\n".join([*lines, *extra]) + "\n", "utf-8")
    return path


def own():
    return {p.root.name for p in list_projects(projects_home())} - {"fashion", "reviews"}


def said(test):
    kinds = (test.markdown, test.caption, test.error, test.info, test.warning, test.success)
    return "\n".join(e.value for kind in kinds for e in kind).replace("\\", "")


def job_of(page):
    """The job that makes the project, at its end."""
    for name in ("map", "evaluate"):
        page.checkbox(key=f"fit_then_{name}").uncheck()
    page.button(key="wizard_create").click().run()
    return ended(find(projects_home(), page.query_params["making"]))


def ended(job):
    for _ in range(2400):
        job = find(job.root, job.id)
        if not job.active:
            break
        time.sleep(0.1)
    return job
