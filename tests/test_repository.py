"""What must hold of the tree itself, whatever it contains."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import vaultfs

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
PACKAGES = ("vaultfs", "formats/vaultfs_format", "tools/vaultfs_tools")
TOP_LEVEL = {
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "NOTICE", "README.md", "SECURITY.md", "SPEC.md"),
    *("constraints.txt", "pyproject.toml", "pytest_results.json"),
    *("docs", "formats", "samples", "tests", "tools", "vaultfs"),
}
LONGEST_MODULE = 500
DECISION = r"^\| \[(\d{3})\]\((\1-[^)]+)\) \| (.*) \|$"

# Written in pieces, so that this file is not found by its own search.
MACHINE_PATHS = "|".join(
    "/" + name + "/" for name in ("ro" + "ot", "wo" + "rk", "fa" + "rm", "ho" + r"me/[a-z][\w.-]*")
)
REGISTRIES = "|".join(
    re.escape(name + "." + top)
    for name, top in (
        ("py" + "pi", "org"),
        ("python" + "hosted", "org"),
        ("npm" + "js", "org"),
        ("deb.deb" + "ian", "org"),
    )
)
FORBIDDEN = re.compile(rf"(?<![\w.>-])(?:{MACHINE_PATHS})|{REGISTRIES}")


def tracked(suffix: str = "") -> list[Path]:
    """Return the files of the tree that git tracks, or would once they are added."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    paths = (ROOT / name for name in names if name.endswith(suffix))
    return sorted(path for path in paths if path.is_file())


def relative(path: Path) -> str:
    """Return `path` as it is called in the tree."""
    return path.relative_to(ROOT).as_posix()


def pinned() -> dict[str, Requirement]:
    """Return the pins of constraints.txt by normalized name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in pins}


def test_the_top_level_holds_only_what_it_should() -> None:
    names = {Path(relative(path)).parts[0] for path in tracked()}
    assert sorted(name for name in names - TOP_LEVEL if not name.startswith(".")) == []


def test_no_module_is_too_long() -> None:
    lengths = {relative(path): len(path.read_bytes().splitlines()) for path in tracked(".py")}
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_every_package_says_what_it_is_for() -> None:
    rooms = [path for path in tracked("__init__.py") if relative(path).startswith((*PACKAGES, "tests"))]
    assert rooms
    silent = [path for path in rooms if not ast.get_docstring(ast.parse(path.read_bytes()))]
    assert [relative(path) for path in silent] == []


def test_every_folder_of_modules_is_a_package() -> None:
    modules = [path for path in tracked(".py") if relative(path).startswith((*PACKAGES, "tests"))]
    assert sorted({relative(path.parent) for path in modules if not (path.parent / "__init__.py").is_file()}) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_distribution_package_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = []
    for path in tracked():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [f"{relative(path)}:{number}" for number, line in enumerate(lines, 1) if FORBIDDEN.search(line)]
    assert found == []


def test_the_search_for_machine_paths_finds_them() -> None:
    assert FORBIDDEN.search("open('/" + "root/x')")
    assert FORBIDDEN.search("see /" + "home/someone/x")
    assert FORBIDDEN.search("https://py" + "pi.org/simple")
    assert not FORBIDDEN.search("merkle/root/leaf and <home>/work/x")


def test_every_dependency_is_pinned_to_one_version() -> None:
    pins = pinned()
    assert [str(pin) for pin in pins.values() if not re.fullmatch(r"==[\w.]+", str(pin.specifier))] == []
    assert [str(pin) for pin in pins.values() if pin.url] == []
    waiting = needed_by_the_project()
    seen: set[str] = set()
    while waiting:
        needed = waiting.pop()
        name = canonicalize_name(needed.name)
        assert name in pins, f"{name} is not pinned"
        version = str(pins[name].specifier).removeprefix("==")
        assert needed.specifier.contains(version), f"{name}=={version} does not satisfy {needed}"
        if f"{name}{sorted(needed.extras)}" not in seen:
            seen.add(f"{name}{sorted(needed.extras)}")
            waiting += required_by(name, needed.extras)


def needed_by_the_project() -> list[Requirement]:
    """Return the packages of pyproject.toml, with those of every extra."""
    extras = PROJECT["optional-dependencies"].values()
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]
    return [needed for needed in map(Requirement, lines) if needed.name != PROJECT["name"]]


def test_every_package_is_named_in_a_decision() -> None:
    pages = [path.read_text("utf-8") for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md")]
    needed = [*needed_by_the_project(), *map(Requirement, PYPROJECT["build-system"]["requires"])]
    assert [one.name for one in needed if not any(f"`{one.name}`" in page for page in pages)] == []


def required_by(name: str, extras: set[str]) -> list[Requirement]:
    """Return what the distribution `name` needs here, with `extras`; nothing of what is not installed, as peers are."""
    try:
        needs = [Requirement(line) for line in metadata.requires(name) or ()]
    except metadata.PackageNotFoundError:
        return []
    return [
        need for need in needs if not need.marker or any(need.marker.evaluate({"extra": one}) for one in ("", *extras))
    ]


def test_versions_agree() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)
    assert newest is not None
    assert PROJECT["version"] == newest[1] == vaultfs.__version__ == metadata.version("vaultfs")


def test_nothing_is_installed_by_a_name_under_which_nothing_is_released() -> None:
    """Whoever takes that name in an index would be installed by who follows the page."""
    found = []
    for path in tracked():
        if path.suffix in (".md", ".py", ".txt", ".toml"):
            installs = re.findall(r"pip install [^\n]*", path.read_text("utf-8"))
            found += [(relative(path), line) for line in installs if re.search(r"[ '\"]vaultfs\b(?!-)", line)]
    assert found == []


def test_every_command_is_told_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in PROJECT["scripts"] if f"\n| `{name}` |" not in readme] == []


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    pages = {path.name: path.read_text("utf-8") for path in folder.glob("*.md") if path.name != "README.md"}
    rows = {f"# {number}. {title}": name for number, name, title in re.findall(DECISION, index, re.MULTILINE)}
    assert {page.partition("\n")[0]: name for name, page in pages.items()} == rows
    assert [name for name in pages if not re.fullmatch(r"\d{3}-[a-z0-9-]+\.md", name)] == []


def test_the_keyless_tools_load_no_engine() -> None:
    """Who audits a vault must not have to trust the engine under audit, nor to install its index."""
    program = (
        "import sys, vaultfs_tools.fsck, vaultfs_tools.dump, vaultfs_tools.witness\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'vaultfs', 'lmdb'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_threat_is_shown_by_tests_that_exist_or_is_said_not_to_be_defended() -> None:
    rows = re.findall(
        r"^\| (\d+) \| \w+ \| .* \| (.*) \| (.*) \|$", (ROOT / "SECURITY.md").read_text("utf-8"), re.MULTILINE
    )
    assert [int(number) for number, _, _ in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= 22
    for number, holds, tests in rows:
        named = re.findall(r"`(tests/[\w/.]+)::(\w+)`", tests)
        assert named or holds.startswith("Not defended"), number
        for path, name in named:
            assert f"def {name}(" in (ROOT / path).read_text("utf-8"), (number, name)
