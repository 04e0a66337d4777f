"""The commands `crossattack data`."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

data_app = typer.Typer(help="What data sets there are, and what they hold.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A data set: `crossattack data list`.")]
Root = Annotated[str | None, typer.Option(metavar="DIR", help="Where your files of it lie.")]
Override = Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="Any other setting, by its dotted key. Repeatable.")]


@data_app.command("list")
def data_list() -> None:
    """The data sets, in a line each."""
    from crossattack.report.catalogue import catalogue

    for name, summary in catalogue("datasets"):
        print(f"{name:<20} {summary}")


@data_app.command("show")
def data_show(
    name: Name,
    root: Root = None,
    set_: Override = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The contact sheet. [NAME.png]")] = None,
) -> None:
    """Counts of a data set, and a contact sheet of its pictures. Fetched and built on first use.

    \b
    Examples:
      crossattack data show pictograms
      crossattack data show scenes --set data.pairs=500 --out scenes.png
      crossattack data show faces --root ~/att_faces.zip
    """
    from crossattack.config import load_config
    from crossattack.progress import progress_for

    plugin = load_config(None, set_ or [], {"data.name": name, "data.root": root}).data.plugin
    from crossattack.datasets._contact_sheet import contact_sheet
    from crossattack.datasets._summary import summary

    pairs, split = plugin.load(progress_for(sys.stderr))
    for what, how_much in summary(pairs, split):
        print(f"{what:<52} {how_much}")
    sheet = out or Path(f"{name}.png")
    contact_sheet(pairs, sheet)
    print(f"{'contact sheet':<52} {sheet}")


@data_app.command("check")
def data_check(
    name: Name,
    root: Root = None,
    set_: Override = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, alone, on stdout.")] = False,
) -> None:
    """What your copy of a data set is: layout, population, counts, labels, tags, the floor, and what is missing or damaged.

    \b
    Every picture is read; a bad file is a row of the table.

    \b
    Examples:
      crossattack data check mirflickr --root ~/data/FLICKR-25K.mat
      crossattack data check coco --root ~/data/coco --set data.year=2014 --json

    Exit codes: 0 all there, 1 something is missing or damaged, 2 bad usage.
    """
    from crossattack.config import load_config
    from crossattack.progress import progress_for

    plugin = load_config(None, set_ or [], {"data.name": name, "data.root": root}).data.plugin
    from crossattack.datasets._check import findings

    found = findings(plugin, progress_for(sys.stderr))
    if as_json:
        print(json.dumps({"name": name, "root": root, "sound": found.sound, "findings": found.rows}, indent=2))
    else:
        for what, finding in [("data set", name), *([("root", root)] if root else []), *found.rows]:
            print(f"{what:<52} {finding}")
    if not found.sound:
        raise typer.Exit(1)
