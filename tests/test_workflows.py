"""What is released: by which tag, with which notes, and only after it was checked."""

import re
import runpy
import shutil
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = ROOT / ".github" / "workflows"
release = runpy.run_path(str(ROOT / ".github" / "release.py"))
VERSION = release["found"](ROOT, "lossbook/__init__.py", r'^__version__ = "(.+)"$')


@pytest.fixture
def checkout(tmp_path):
    for name in [*release["VERSIONS"], "CHANGELOG.md"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_places_that_state_the_version_agree():
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    assert list(release["disagreements"](ROOT, f"v{VERSION}")) == []


@pytest.mark.parametrize("tag", [VERSION, f"v{VERSION}.1", "v"])
def test_a_tag_of_another_version_is_not_released(tag):
    assert list(release["disagreements"](ROOT, tag))


@pytest.mark.parametrize("name", [*release["VERSIONS"], "CHANGELOG.md"])
def test_one_place_with_another_version_stops_a_release(checkout, name):
    path = checkout / name
    path.write_text(path.read_text("utf8").replace(VERSION, "77.0.0"), "utf8")
    found = list(release["disagreements"](checkout, f"v{VERSION}"))
    assert found
    assert found[0].startswith(f"{name}: ")


def test_a_citation_of_another_day_stops_a_release(checkout):
    path = checkout / "CITATION.cff"
    path.write_text(re.sub(r"date-released: .*", "date-released: 2001-01-01", path.read_text()))
    (found,) = release["disagreements"](checkout, f"v{VERSION}")
    assert "2001-01-01" in found


def test_the_notes_are_the_section_of_that_version_alone(tmp_path):
    text = (
        "# Changelog\n\n## 0.2.0 – 2026-02-03\n\n- b\n\n## 0.1.0 – 2026-01-02\n\n### Added\n\n- a\n"
    )
    (tmp_path / "CHANGELOG.md").write_text(text, "utf8")
    assert release["section"](tmp_path, "0.2.0") == ("2026-02-03", "- b")
    assert release["section"](tmp_path, "0.1.0") == ("2026-01-02", "### Added\n\n- a")
    assert release["section"](tmp_path, "0.2") == ("", "")


def jobs(name):
    return yaml.safe_load((WORKFLOWS / name).read_text("utf8"))["jobs"]


def waits_for(jobs, name):
    """The jobs that must succeed before one starts."""
    needs = jobs[name].get("needs", [])
    needs = [needs] if isinstance(needs, str) else needs
    return {*needs, *(earlier for need in needs for earlier in waits_for(jobs, need))}


@pytest.mark.parametrize("workflow", sorted(path.name for path in WORKFLOWS.glob("*.yml")))
def test_a_job_that_may_change_something_waits_for_the_ci_script(workflow):
    """To deploy, publish or release needs a permission to write, and no job runs without the script
    before it but one that opens an issue on its failure."""
    assert any(step.get("run") == "bash .ci/run" for step in jobs("check.yml")["script"]["steps"])
    found = jobs(workflow)
    checks = {n for n, job in found.items() if str(job.get("uses")).endswith("/check.yml")}
    for name, job in found.items():
        assert "permissions" in job, f"{name} has the workflow's permissions"
        if {key for key, value in job["permissions"].items() if value == "write"} - {"issues"}:
            assert waits_for(found, name) & checks, f"{name} does not wait for the CI script"
            assert "always()" not in job.get("if", ""), f"{name} also runs after a failure"
