"""Under CI a test that is skipped fails, unless its reason has leave."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
import pytest

def test_needs_a_package():
    pytest.skip("no such package")

@pytest.mark.skipif(True, reason="no network")
def test_is_marked():
    pass

def test_has_leave():
    pytest.skip("allowed: another system")

@pytest.mark.xfail(reason="known")
def test_is_expected_to_fail():
    assert False
"""


def outcome(folder: Path, module: str, ci: str) -> str:
    """What pytest says about a module beside our conftest.py."""
    (folder / "conftest.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    (folder / "test_module.py").write_text(module)
    (folder / "pytest.ini").write_text("[pytest]")
    environment = {**os.environ, "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False).stdout


def test_ci_fails_tests_that_are_skipped_without_leave(tmp_path: Path) -> None:
    said = outcome(tmp_path, MODULE, ci="true")
    assert "1 failed, 1 skipped, 1 xfailed, 1 error" in said  # a mark skips in the set-up, where a failure is an error
    assert "test_needs_a_package: a test that runs wanted, a skip got (no such package)" in said


def test_ci_fails_modules_that_are_skipped_without_leave(tmp_path: Path) -> None:
    said = outcome(tmp_path, "import pytest\npytest.importorskip('no_such_package')", ci="true")
    assert "1 error" in said
    assert "could not import 'no_such_package'" in said


@pytest.mark.parametrize("module", [MODULE, "import pytest\npytest.importorskip('no_such_package')"])
def test_elsewhere_a_skip_is_a_skip(tmp_path: Path, module: str) -> None:
    said = outcome(tmp_path, module, ci="")
    assert "skipped" in said
    assert "failed" not in said.replace("xfailed", "")
    assert "error" not in said
