"""Every command in the docs, the README and the configurations works.

What takes minutes (`run`, `sweep`) is held to what it would start with here, and `run` is executed in the slow lane with settings that make
it small; all else is executed, on small runs under the names that the docs give to runs. `serve` and `targets` have tests of their own.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from generators import untrained
from made_sweeps import budget
from PIL import Image
from reported import SCENES, SURROGATE, WORDS, ran
from scipy.io import savemat
from tiny_clip import tiny_clip

from crossattack import _run_command, one_run
from crossattack.cli import main
from crossattack.config import load_config
from crossattack.registry import ATTACKS
from crossattack.sweep import command as sweeps
from crossattack.sweep.grid import load_sweep

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "configs").rglob("*.yaml"))]
OURS = r"crossattack|python -m crossattack[\w.]*|python [\w/]+\.py"
LINE = re.compile(rf"^(?: {{4}}|# {{3,}})(?:pip install uv && )?(?:uv run )?(?P<program>{OURS}) (?P<rest>[^#>\n]*)", re.M)
IN_TEXT = re.compile(rf"`(?:uv run )?(?P<program>{OURS}) (?P<rest>[^`#>\n]*)`")
NAMES = ("RUN", "NAME", "OTHER", "control", "mine")


def found_in(pages: list[Path], *patterns: re.Pattern[str]) -> list[tuple[str, str, str]]:
    """Page, program, arguments; `python -m crossattack.run` is `crossattack run`."""
    told = dict[tuple[str, str, str], None]()
    for page in pages:
        for pattern in patterns:
            for line in pattern.finditer(page.read_text(encoding="utf-8")):
                words = f"{line['program']} {line['rest']}".replace("python -m crossattack.run", "crossattack run").split()
                first = 2 if words[0] == "python" else 1
                start = 3 if words[1] == "-m" else first
                told[page.relative_to(ROOT).as_posix(), " ".join(words[:start]), " ".join(words[start:])] = None
    return list(told)


COMMANDS = found_in(PAGES, LINE)
RUNS = [(page, rest.removeprefix("run").strip()) for page, program, rest in COMMANDS if program == "crossattack" and rest.startswith("run")]
SWEEPS = [rest for _, program, rest in found_in(PAGES, LINE, IN_TEXT) if program == "crossattack" and rest.startswith("sweep configs")]
OTHERS = [
    rest
    for _, program, rest in COMMANDS
    if program == "crossattack"
    and rest.split()[0] not in ("run", "sweep", "serve", "targets")
    and "--root" not in rest  # files of the reader's own
]
SCRIPTS = sorted({(program, rest) for _, program, rest in found_in(PAGES, LINE, IN_TEXT) if program.startswith("python ")})
VECTORS = """

def network(images):
    return images.flatten(1)[:, :32]


pictures = network


def words(texts):
    return [[float(hash(word) % 7) for word in (str(text).split() * 32)[:32]] for text in texts]
"""
SMALL = ["--data=scenes", "--attacked=8", "--device=cpu", "--quiet", *[f"--set={each}" for each in (*SCENES, SURROGATE)]]


def test_the_pages_have_commands() -> None:
    assert len(RUNS) >= 20
    assert {"README.md", "docs/threat-models.md", "docs/attacks.md", "configs/uaa_gan/face_search.yaml"} <= {page for page, _ in RUNS}
    assert {rest.split()[0] for rest in OTHERS} >= {"list", "data", "compare", "report", "replay", "score", "ledger", "perturb"}
    assert len(SWEEPS) >= 8


@pytest.mark.usefixtures("mobilenet_at_hand")
@pytest.mark.parametrize(("page", "rest"), RUNS, ids=[f"{page}: {rest}" for page, rest in RUNS])
def test_a_run_of_the_docs_would_start(page: str, rest: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Its flags are flags, and its settings a configuration that is accepted; runs to go on with are not looked for."""
    wishes: list[_run_command.Wish] = []
    monkeypatch.setattr(_run_command, "run", wishes.append)
    monkeypatch.chdir(ROOT)
    assert main(["run", *shlex.split(rest)]) == 0, capfd.readouterr().err
    (wish,) = wishes
    if wish.path is None or wish.path.is_file():  # `mine.yaml` stands for the reader's own
        load_config(wish.path, wish.overrides, wish.flags)


@pytest.mark.usefixtures("mobilenet_at_hand")
@pytest.mark.parametrize("rest", sorted(set(SWEEPS)))
def test_a_sweep_of_the_docs_would_start(rest: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    paths: list[Path] = []
    take: dict[str, Callable[..., object]] = {
        "sweep": lambda wish: paths.append(wish.path) or True,
        "status": lambda path, *_: paths.append(path),
    }
    for name, taken in take.items():
        monkeypatch.setattr(sweeps, name, taken)
    monkeypatch.chdir(ROOT)
    assert main(shlex.split(rest)) == 0, capfd.readouterr().err
    assert len(load_sweep(paths[0]).cells) >= 12


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the docs suppose it: runs under their names, a generator, a folder of pictures."""
    folder = tmp_path_factory.mktemp("here")
    ran(folder / "runs/RUN", *WORDS[:-2], "attack={name: pgd, steps: 1}", "ceiling.steps=1")
    for name in NAMES[1:]:
        shutil.copytree(folder / "runs/RUN", folder / "runs" / name)
    (folder / "docs/results").mkdir(parents=True)
    for sweep in {"SWEEP", *(Path(rest.split()[1]).stem for rest in SWEEPS)}:
        (folder / "runs" / sweep).mkdir()
        (folder / "runs" / sweep / "sweep.json").write_text(json.dumps(budget()), encoding="utf-8")
    (folder / "FILE.json").write_text(json.dumps(budget()), encoding="utf-8")
    rng = np.random.default_rng(0)
    labels = {key: rng.integers(0, 2, (items, 5)) for key, items in (("q_l", 6), ("r_l", 30))}
    codes = {f"{side}_{kind}": rng.choice([-1.0, 1.0], (len(labels[f"{side}_l"]), 8)) for side in "qr" for kind in ("img", "txt")}
    savemat(folder / "codes.mat", codes | labels)
    savemat(folder / "labels.mat", labels)
    (folder / "runs/uaa_gan-hashing").mkdir()
    untrained(folder / "runs/uaa_gan-hashing/generator.safetensors")
    (folder / "my-pictures").mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(folder / "my-pictures/a.png")
    return folder


@pytest.mark.parametrize("rest", sorted(set(OTHERS)))
def test_a_command_of_the_docs_does_what_it_is_for(
    rest: str, here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(here)
    for made in ("changed", "changed-less"):
        shutil.rmtree(made, ignore_errors=True)
    assert main(shlex.split(rest.replace("...", ""))) == 0, capfd.readouterr().err
    out, err = capfd.readouterr()
    assert out.strip(), "something is told on stdout"
    assert "Traceback" not in err


@pytest.mark.parametrize(("program", "rest"), SCRIPTS)
def test_a_script_of_the_docs_is_there_and_has_those_flags(program: str, rest: str) -> None:
    name = program.split()[-1]
    module = ROOT / name.replace(".", "/")
    source = (ROOT / name if name.endswith(".py") else module / "__main__.py" if module.is_dir() else module.with_suffix(".py")).read_text()
    assert "__main__" in source
    for word in shlex.split(rest):
        assert not word.startswith("--") or re.search(f'"(--)?{word.removeprefix("--").partition("=")[0]}"', source), word


@pytest.mark.slow
@pytest.mark.usefixtures("mobilenet_at_hand")
@pytest.mark.parametrize(("page", "rest"), [run for run in RUNS if not re.search(r"mine\.yaml|--resume|http|--root|--name mine$", run[1])])
def test_a_run_of_the_docs_runs_small(page: str, rest: str, tmp_path: Path) -> None:
    """The same command, with a small data set and few steps behind what it says itself, and what it supposes to be the reader's own."""
    words = [word for word in shlex.split(rest) if word != "--json"]
    attack = re.search(r"attack[= ](\w+)", rest)
    steps = ["--steps=2"] if attack is None or "steps" in vars(ATTACKS.load(attack[1])) else []
    clip = [f"--set=target.clip={tiny_clip(tmp_path / 'clip')}"] if "dchmt" in rest else []
    (engine,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    (tmp_path / "mine.py").write_text(engine + VECTORS)
    command = [sys.executable, "-m", "crossattack.run", *words, *SMALL, *steps, *clip, f"--runs={tmp_path}"]
    where = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(command, cwd=ROOT, env=where, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert one_run.finished(Path(ended.stdout.strip())) is not None
