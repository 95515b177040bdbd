"""Set up `.venv` in this checkout, then run one of the project's jobs in it.

python3 tools/run.py main-job [VAULT SOURCE]  import SOURCE into VAULT and check it; without both, the shipped sample
python3 tools/run.py tests [ARGUMENT ...]     run the test suite; arguments go to pytest
python3 tools/run.py setup                    only set up

Needs Python 3.11 or newer with pip. Does without the `ensurepip` that some systems package apart: the environment is
made empty, and the host's pip installs a pip of its own into it. Set-up is repeated only when its inputs change.
"""

import getpass
import hashlib
import importlib.util
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 11):
    sys.exit("VaultFS needs Python 3.11 or newer; this is Python {}.{}.".format(*sys.version_info))

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "vaultfs-setup.json"
CONSTRAINTS = ROOT / "constraints.txt"
IMPORTED = (0, 2, 3)  # all is in; some of it in quarantine; all but source files that could not be read
SAMPLE = ("sample.vault", "samples/legacy-export")
TEST_COMMAND = ("pytest", "-n", "2", "--dist", "worksteal", "--json-report", "--json-report-file=pytest_results.json")


def main(arguments: list[str]) -> int:
    """Run the job that `arguments` name and return its exit status."""
    job, more = (arguments or [""])[0], arguments[1:]
    if job == "main-job" and len(more) in (0, 2):
        return main_job(*more, folder=Path.cwd()) if more else main_job(*SAMPLE, folder=ROOT)
    if job == "tests":
        set_up(test=True)
        return run(*TEST_COMMAND, *more, folder=ROOT)
    if job == "setup" and not more:
        set_up(test=True)
        return 0
    print((__doc__ or "").strip(), file=sys.stderr)
    return 2


def main_job(vault: str, source: str, *, folder: Path) -> int:
    """Import `source` into `vault`, made with a new random passphrase where there is none, and check the vault.

    Returns the status of the check, or that of the import where the check finds nothing.
    """
    passphrase = vault.rstrip("/") + ".passphrase"
    make_passphrase(folder / passphrase, vault=folder / vault)
    set_up(test=False)
    who = ("--as", user(), "--purpose", "RECORDMGT")
    status = run("vaultfs-import", vault, source, "--create", "--passphrase-file", passphrase, *who, folder=folder)
    if status not in IMPORTED:
        return status
    return run("vaultfs-fsck", vault, folder=folder) or status


def user() -> str:
    """Return the name of the account that runs this, or its number where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def make_passphrase(path: Path, *, vault: Path) -> None:
    """Write 256 random bits to `path`, readable by its owner only; keep a file that is there."""
    if path.exists():
        return
    if vault.exists():
        sys.exit(f"{vault.name} is there, its passphrase file {path.name} is not: bring it back or name another vault.")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(32))
        file.flush()
        os.fsync(file.fileno())


def set_up(*, test: bool) -> None:
    """Make `.venv` hold this checkout and its pinned dependencies, those of the tests too if `test`."""
    inputs = b"".join(path.read_bytes() for path in (ROOT / "pyproject.toml", CONSTRAINTS))
    wanted = {"checkout": str(ROOT), "inputs": hashlib.sha256(inputs).hexdigest(), "test": test}
    present = stamp()
    usable = works(PYTHON) and present.get("checkout", wanted["checkout"]) == wanted["checkout"]
    if usable and present in (wanted, wanted | {"test": True}):
        return
    print("Setting up .venv (about a minute the first time)", flush=True)
    if not usable:
        step(sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV))
    STAMP.unlink(missing_ok=True)
    wanted["test"] = test or present.get("test", False)
    install_pip()
    target = ".[test]" if wanted["test"] else ".[escrow]"
    step(str(PYTHON), "-m", "pip", "install", "--quiet", "--constraint", str(CONSTRAINTS), "--editable", target)
    STAMP.write_text(json.dumps(wanted), encoding="utf-8")


def stamp() -> dict[str, object]:
    """Return what the last complete set-up installed, or nothing."""
    try:
        content = json.loads(STAMP.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def works(python: Path) -> bool:
    """Return whether `python` is an interpreter that starts and is new enough."""
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    return python.exists() and subprocess.run([python, "-c", check], check=False).returncode == 0


def install_pip() -> None:
    """Give `.venv` a pip of its own.

    Only pip is installed by the host's pip, and with ``--ignore-installed``: a pip that works on another environment
    still takes the packages beside it on the host for installed there.
    """
    if subprocess.run([PYTHON, "-c", "import pip"], check=False, stderr=subprocess.DEVNULL).returncode == 0:
        return
    if importlib.util.find_spec("pip"):
        options = ("--quiet", "--ignore-installed", "--no-deps", "--constraint", str(CONSTRAINTS))
        step(sys.executable, "-m", "pip", "--python", str(PYTHON), "install", *options, "pip")
    elif importlib.util.find_spec("ensurepip"):
        step(str(PYTHON), "-m", "ensurepip")
    else:
        sys.exit("VaultFS needs pip to set itself up (Debian: python3-pip; with an environment active, deactivate it).")


def step(*command: str) -> None:
    """Run `command` in the checkout; give up if it fails."""
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    if status:
        sys.exit(f"Set-up failed ({status}): {' '.join(command)}")


def run(program: str, *arguments: str, folder: Path) -> int:
    """Show and run a program of `.venv` in `folder`; return its exit status."""
    print("$", program, *arguments, flush=True)
    path = os.pathsep.join((str(VENV / "bin"), os.environ.get("PATH", os.defpath)))
    environment = os.environ | {"PATH": path, "VIRTUAL_ENV": str(VENV)}
    return subprocess.run([VENV / "bin" / program, *arguments], cwd=folder, env=environment, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
