"""Scripts are tried in an empty folder that looks like a checkout as far as they look."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def script(tmp_path):
    """Copy a script into tmp_path/scripts and return a function that runs it there."""

    def copy(name):
        (tmp_path / "scripts").mkdir(exist_ok=True)
        path = shutil.copy2(SCRIPTS / name, tmp_path / "scripts" / name)

        def run(*words, interpreter=(), **variables):
            return subprocess.run(
                [*interpreter, path, *words],
                cwd=tmp_path,
                env={**os.environ, **variables},
                capture_output=True,
                text=True,
            )

        return run

    return copy
