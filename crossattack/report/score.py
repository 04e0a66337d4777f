"""A page on which a person scores how much attacked pictures differ from clean ones, and that tells the mean opinion score.

One self-contained file: each clean picture beside itself as attacked, or as noise has it, left or right at random, scored on
the five-grade impairment scale of Recommendation ITU-R BT.500. It opens without a network; its policy allows its own script and
style sheet, by hash, and nothing else. Scores stay in the browser until they are exported as JSON.
"""

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image
from torch import Tensor

from crossattack.attacks import Pictures
from crossattack.cache import whole_file
from crossattack.errors import UsageError
from crossattack.perturbing import Condition, read_back
from crossattack.streams import Streams

HERE = Path(__file__).parent
JUDGED = ("attacked", "noise")
GRADES = {
    5: "imperceptible",
    4: "perceptible, but not annoying",
    3: "slightly annoying",
    2: "annoying",
    1: "very annoying",
}


def write_score_page(run: Path, path: Path, *, pictures: int, seed: int) -> int:
    """Write the page of a finished run, whole or not at all. Returns how many pairs are on it.

    pictures: how many are drawn from those that were attacked; each is shown once as attacked and once with noise, where the run
    has it. seed: of that draw, of the order of the pairs and of their sides.
    """
    try:
        conditions = read_back(run / "items.h5")
    except (OSError, KeyError) as error:
        raise UsageError(f"items.h5 of a finished run wanted in {run}, got: {' '.join(str(error).split())}.") from error
    pairs = pairs_of(conditions, pictures, seed)
    with whole_file(path) as file:
        file.write_text(page(run.resolve().name, pairs, seed), encoding="utf-8")
    return len(pairs)


def pairs_of(conditions: dict[str, Condition], pictures: int, seed: int) -> list[dict[str, Any]]:
    """What is shown, in order: the item, which condition, on which side that is, and both pictures as data addresses."""
    images = {name: condition["images"].items for name, condition in conditions.items() if "images" in condition}
    shown = {name: items for name, items in images.items() if name in ("clean", *JUDGED) and isinstance(items, Pictures)}
    if not {"clean", "attacked"} <= set(shown):
        raise UsageError("clean and attacked pictures wanted in items.h5, none got; score a run that attacks pictures.")
    rng = Streams(seed).numpy("score", "pairs")
    rows = rng.permutation(len(shown["clean"].ids))[:pictures].tolist()
    judged = [(row, name) for row in rows for name in JUDGED if name in shown]
    pairs = []
    for place in rng.permutation(len(judged)).tolist():
        row, name = judged[place]
        two = [_address(shown["clean"].values[row]), _address(shown[name].values[row])]
        side = int(rng.integers(2))
        pairs.append({"item": shown["clean"].ids[row], "condition": name, "changed": side, "pictures": two if side else two[::-1]})
    return pairs


def page(name: str, pairs: list[dict[str, Any]], seed: int) -> str:
    """The page as HTML."""
    style, script = ((HERE / file).read_text(encoding="utf-8") for file in ("score.css", "score.js"))
    known = {"run": name, "seed": seed, "pairs": pairs}
    data = json.dumps({**known, "digest": hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]}).replace("<", "\\u003c")
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("score.html.j2").render(
        name=name, grades=GRADES, data=data, style=style, script=script, style_hash=_hash(style), script_hash=_hash(script)
    )


def _hash(source: str) -> str:
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _address(picture: UInt8[Tensor, "3 height width"]) -> str:
    """A picture as the data address of a PNG, to the byte."""
    file = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).to(torch.uint8).numpy()).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
