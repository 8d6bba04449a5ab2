"""What is written in two places is the same in both."""

import ast
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

import berthmaster
from docs.generate import events, permissions
from simulator.template_contract.application import FUNCTIONS, ROOT, named, of_type, properties, source

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LAYER = ROOT / "layers/dependencies/requirements.txt"
FLOW_LOGS = ROOT / "layers/flow_logs/requirements.txt"
DEVELOPMENT = ROOT / "requirements/development.txt"
CHECKOV = ROOT / "requirements/checkov.txt"
COMPILED = [
    pytest.param(LAYER, PROJECT["project"]["dependencies"], id="layer"),
    pytest.param(
        DEVELOPMENT, PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"], id="development"
    ),
    pytest.param(FLOW_LOGS, PROJECT["dependency-groups"]["flow-logs"], id="flow logs"),
    pytest.param(CHECKOV, PROJECT["dependency-groups"]["checkov"], id="checkov"),
]

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PATH = r"(?<![\w./:<>*-])[\w.<>-]+(?:/[\w.<>-]+)+\.(?:html|json|md|png|py|toml|txt|yaml)\b"
LINK = r"\]\(([^)#:]+)\)"
IN_S3 = "/.berthmaster/"
"""A folder in the keys of objects."""
GENERATED = "build/"
"""What `make demo` writes."""


def pins(path: Path) -> dict[str, str]:
    """Package to version, as a compiled file pins them."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", path.read_text(), re.MULTILINE))


def test_there_is_one_version() -> None:
    repository = source()["Metadata"]["AWS::ServerlessRepo::Application"]
    assert repository["SemanticVersion"] == PROJECT["project"]["version"] == berthmaster.__version__


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_runtime_is_the_python_that_tests_run_on(function: str) -> None:
    assert properties(function)["Runtime"] == f"python{(ROOT / '.python-version').read_text().strip()}"


@pytest.mark.parametrize(("compiled", "wanted"), COMPILED)
def test_the_pins_satisfy_the_projects_requirements(compiled: Path, wanted: list[str]) -> None:
    pinned = pins(compiled)
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pinned[requirement.name.lower()]), requirement


def test_tests_run_with_the_versions_that_ship() -> None:
    assert (pins(LAYER) | pins(FLOW_LOGS)).items() <= pins(DEVELOPMENT).items()


@pytest.mark.parametrize("compiled", [LAYER, DEVELOPMENT, CHECKOV])
def test_every_pin_has_a_hash_and_no_index_is_named(compiled: Path) -> None:
    text = compiled.read_text()
    for entry in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in entry
    assert "://" not in text
    assert "index-url" not in text


@pytest.mark.parametrize("module", [events, permissions], ids=["events", "permissions"])
def test_a_generated_page_agrees_with_what_it_is_made_from(module: ModuleType) -> None:
    assert module.PAGE.read_text() == module.page(), "run make docs"


def test_the_documented_permissions_are_those_of_every_role() -> None:
    roles = {holder if holder.endswith("Role") else named(properties(holder)["Role"]) for holder in permissions.HOLDERS}
    assert roles == set(of_type("AWS::IAM::Role"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text()
    paths = [
        path
        for path in re.findall(PATH, re.sub(LINK, "", text))
        if not path.startswith(GENERATED) and IN_S3 not in path
    ]
    assert [path for path in paths if not list(ROOT.glob(re.sub("<[^>]*>", "*", path)))] == []
    assert [link for link in re.findall(LINK, text) if not (document.parent / link).exists()] == []


@pytest.mark.parametrize(
    ("path", "name"), re.findall(r"`([\w/]+\.py)`\s+`([\w.]+)`", (ROOT / "CONTRIBUTING.md").read_text())
)
def test_every_name_in_the_walks_is_defined_in_its_file(path: str, name: str) -> None:
    nodes: list[ast.stmt] = ast.parse((ROOT / path).read_text()).body
    for part in name.split("."):
        (found,) = (node for node in nodes if part in defined(node))
        nodes = getattr(found, "body", [])


def defined(node: ast.stmt) -> set[str]:
    """The names that a statement defines."""
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Assign(targets=targets):
            return {target.id for target in targets if isinstance(target, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
    return set()
