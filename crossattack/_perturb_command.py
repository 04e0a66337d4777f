"""`crossattack perturb`: a trained generator on a folder of one's own pictures."""

import json
from pathlib import Path
from typing import Annotated

import typer


def perturb_command(
    in_dir: Annotated[Path, typer.Argument(metavar="IN_DIR", help="A folder of pictures; its folders are not looked into.")],
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Where changed pictures go: PNG files of the same names.")],
    generator: Annotated[Path, typer.Option(metavar="FILE", help="The generator.safetensors of a run with `--attack uaa_gan`.")],
    eps: Annotated[
        str | None, typer.Option(metavar="FLOAT", help="Radius of the change, in pixels of [0, 1]. [that of the training]")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write into OUT_DIR although there is something in it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, alone, on stdout.")] = False,
) -> None:
    """Change pictures of your own with a trained generator: one forward pass each, no query.

    \b
    Examples:
      crossattack perturb --generator runs/uaa_gan-hashing/generator.safetensors holiday changed
      crossattack perturb --generator generator.safetensors --eps 4/255 --json holiday changed

    Each value of a written picture is at most eps from that of the picture read; pictures are of any size and of any 8-bit
    format that Pillow reads. Files that are no pictures are skipped with a line.

    Exit codes: 0 done, 1 a picture was refused (a line each; the others are written), 2 bad usage, 130 interrupted.
    """
    from crossattack._perturb_folder import perturb_folder
    from crossattack._perturb_told import as_dict, print_outcome

    outcome = perturb_folder(generator, in_dir, out_dir, eps=eps, force=force)
    if as_json:
        print(json.dumps(as_dict(outcome), indent=2))
    else:
        print_outcome(outcome)
    if outcome.refused:
        raise typer.Exit(1)
