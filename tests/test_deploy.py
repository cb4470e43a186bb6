"""docs/deploy.md, the Dockerfile and the proxies' files promise nothing that is not there."""

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from commands import command, every_option, options_of

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "deploy.md").read_text("utf-8")
STEPS = re.sub(r"\\\n\s*", " ", (ROOT / "deploy" / "Dockerfile").read_text("utf-8")).splitlines()


def steps(name):
    return [line.removeprefix(name).strip() for line in STEPS if line.startswith(name + " ")]


# What the page shows that is docker's, not ours.
DOCKERS = {"--init", "--gpus"}


def test_the_image_copies_only_what_is_there_and_not_left_out():
    kept = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    for line in steps("COPY"):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert source in kept, source


def test_the_image_runs_as_a_user_of_its_own_with_a_health_check_and_a_volume():
    assert steps("USER") == ["turnover"]
    assert STEPS.index("USER turnover") < next(i for i, s in enumerate(STEPS) if "CMD [" in s)
    assert any("useradd" in line and "turnover" in line for line in steps("RUN"))
    assert steps("VOLUME") == ["/data"]
    (environment,) = steps("ENV")
    written = dict(pair.split("=") for pair in shlex.split(environment))
    assert written["TURNOVER_HOME"].startswith("/data/")
    for cache in ("NUMBA_CACHE_DIR", "HF_HOME", "TORCH_HOME"):
        assert written[cache].startswith("/data/"), cache
    assert written["TURNOVER_ALLOW_PATHS"] == "0"


def test_the_image_starts_the_app_where_its_health_check_looks():
    (start,) = steps("CMD")
    program, verb, *rest = json.loads(start)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert program in project["scripts"]
    given = command(verb).make_context(verb, rest).params  # refuses what the verb does not take
    assert given == {"host": "0.0.0.0", "port": int(*steps("EXPOSE"))}
    (health,) = steps("HEALTHCHECK")
    # tests/cli/test_app_verb.py has this path answered by a real server.
    assert f"http://127.0.0.1:{given['port']}/_stcore/health" in health


def test_the_image_installs_extras_that_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    (install,) = [line for line in steps("RUN") if "pip install" in line]
    (asked,) = re.findall(r"\.\[([\w,]+)\]", install)
    assert set(asked.split(",")) <= set(extras)
    assert set(re.findall(r'pip install -e "\.\[(\w+)\]', PAGE)) <= set(extras)


@pytest.mark.parametrize("line", re.findall(r"(?:^|`)(turnover \w[^`\n]*)", PAGE, re.M))
def test_every_command_of_the_page_exists_with_its_options(line):
    _, name, *rest = shlex.split(line)
    assert {word for word in rest if word.startswith("--")} <= options_of(name)
    command(name).make_context(name, rest)


def test_every_option_of_the_page_exists():
    named = set(re.findall(r"`(--[\w-]+)", PAGE))
    assert "--host" in named
    assert named <= every_option() | DOCKERS


def test_the_proxies_and_the_page_take_uploads_as_large_as_the_app_does():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    most = config["server"]["maxUploadSize"]
    assert f"client_max_body_size {most}m;" in (ROOT / "deploy" / "nginx.conf").read_text()
    assert f"max_size {most}MiB" in (ROOT / "deploy" / "Caddyfile").read_text()
    assert f"takes {most} MB" in " ".join(PAGE.split())


def test_files_and_variables_that_the_page_names_exist():
    for name in re.findall(r"\]\(\.\./([\w/.]+)\)|`(benchmarks/\w+\.md)`", PAGE):
        assert (ROOT / (name[0] or name[1])).is_file(), name
    code = "\n".join(
        path.read_text("utf-8")
        for room in ("influence_core", "pages")
        for path in (ROOT / room).rglob("*.py")
    )
    for name in set(re.findall(r"TURNOVER_\w+", PAGE)):
        assert f'"{name}"' in code, name
    for target in re.findall(r"make (\w+)", PAGE):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M), target


@pytest.mark.skipif(shutil.which("nginx") is None, reason="no nginx: apt-get install nginx")
def test_nginx_accepts_its_file(tmp_path):
    site = (ROOT / "deploy" / "nginx.conf").read_text()
    site = re.sub(r"listen 443 ssl;", "listen 127.0.0.1:9;", site)
    site = re.sub(r"\n\s*ssl_\w+ [^\n]*", "", site)
    whole = tmp_path / "nginx.conf"
    whole.write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{site}\n}}\n")
    done = subprocess.run(
        ["nginx", "-t", "-e", str(tmp_path / "log"), "-c", str(whole)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
