"""`crossattack evaluate`: its flags, its help and its table."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

DIRECTIONS = {
    "image_to_text": "pictures ask for texts",
    "text_to_image": "texts ask for pictures",
    "image_to_image": "pictures ask for pictures",
    "text_to_text": "texts ask for texts",
}
ROWS = {
    ("map", "expected"): "mAP, ties in every order (to be quoted)",
    ("map", "stable"): "mAP, ties in the order of the file",
    ("map", "best"): "mAP, relevant items first in every tie",
    ("map", "worst"): "mAP, relevant items last in every tie",
    ("floor",): "mAP of a random ranking",
    ("opposite_code",): "mAP of codes turned against everything relevant",
}
CUTS = {
    "expected": "MAP@{}: of all hits that fit, expected over ties",
    "first_k_relevant": "MAP@{}: the first {} relevant (DCMH in PyTorch)",
    "top_k_hits": "MAP@{}: hits among the top {} (DJSRH)",
    "top_k_min": "MAP@{}: of all hits that fit into the top {} (TREC)",
    "trapezoid": "MAP@{}: the same by trapezoids (Oxford and Paris)",
}
AT = {
    "precision_at": "precision at {}",
    "recall_at": "recall at {}",
    "cmc": "something right among the first {}",
    "ndcg_at": "NDCG at {}, gains by shared labels",
}


def evaluate_command(
    codes: Annotated[Path, typer.Argument(metavar="CODES", help="Codes and labels: .mat, HDF5 or .npz; or a run's folder.")],
    labels: Annotated[Path | None, typer.Option(metavar="FILE", help="Where q_l and r_l lie, if not there.")] = None,
    at: Annotated[list[int] | None, typer.Option(metavar="K", min=1, help="MAP@K. Repeatable. [50, 5000]")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The same codes as .mat or .npz.")] = None,
    dcmh: Annotated[bool, typer.Option("--dcmh-keys", help="Write --out under DCMH's keys, qBX and so on.")] = False,
    condition: Annotated[str, typer.Option(metavar="NAME", help="Of a run: clean, noise, attacked or ceiling.")] = "clean",
    as_json: Annotated[bool, typer.Option("--json", help="JSON, alone, on stdout.")] = False,
) -> None:
    """Every metric of codes that somebody else's program made; no model, no data set.

    \b
    Keys: q_img q_txt r_img r_txt q_l r_l (DCHMT, MITH) or qBX qBY rBX rBY query_L retrieval_L (DCMH). A file with one modality
    or one direction will do.

    \b
    Examples:
      crossattack evaluate codes.mat
      crossattack evaluate codes.mat --labels labels.mat --at 100 --json
      crossattack evaluate codes.mat --out codes.npz
      crossattack evaluate runs/mine --condition attacked --out attacked.mat

    Exit codes: 0 evaluated, 1 codes or labels that cannot be read, 2 bad usage.
    """
    from crossattack.code_measures import CUTS as USUAL
    from crossattack.code_measures import measured
    from crossattack.exchange import read_codes, write_codes

    held = from_run(codes, condition) if codes.is_dir() else read_codes(codes, labels)
    told = measured(held, tuple(dict.fromkeys(at or USUAL)))
    if out is not None:
        write_codes(out, held, dcmh=dcmh)
    if as_json:
        print(json.dumps(told, indent=2))
        return
    print_measures(told)
    if out is not None:
        print(f"written: {out}")


def from_run(folder: Path, condition: str) -> Any:
    """The codes of a finished run."""
    from crossattack.progress import progress_for
    from crossattack.run_codes import codes_of_run
    from crossattack.run_folder import finished_run

    return codes_of_run(finished_run(str(folder), Path("runs")), condition, progress_for(sys.stderr))


def print_measures(told: dict[str, Any]) -> None:
    """A table a direction, then what there is to say about the codes themselves."""
    print(f"{told['queries']:,} queries, {told['database']:,} items, {told['bits']} bits, {told['labels']} labels")
    for name, direction in told["directions"].items():
        print(f"\n{DIRECTIONS[name]}")
        for what, value in rows_of(direction):
            print(f"  {what:<56} {'–' if value is None else f'{value:.4f}':>7}")
        print_balls(direction["by_radius"])
        if direction["left_out"]:
            print(f"  {direction['left_out']:,} queries to which nothing is relevant are left out")
    print("\ncodes")
    for side, own in told["codes"].items():
        low, high = own["balance"]
        print(f"  {side.replace('_', ' '):<20} entropy of a bit {own['entropy']:.3f}, share of +1 in a bit {low:.3f} to {high:.3f}")
    for what, value in told["agreement"].items():
        print(f"  picture and text agree in {what.replace('_', ' '):<20} {'–' if value is None else f'{value:.4f}'}")
    if told["zeros"]:
        print(f"  {told['zeros']:,} bits were 0 (the sign of 0) and count as +1; in a program that keeps them they are half a bit apart")


def print_balls(balls: dict[str, list[float | None]]) -> None:
    """Precision and recall by Hamming radius, as far as anything is left to be found; both means, as papers print either."""
    print("  Hamming radius   precision, recall (mean over queries)   precision, recall (all pairs at once)")
    for radius, row in enumerate(zip(*balls.values(), strict=True)):
        precision, recall, pooled_precision, pooled_recall = (f"{'–' if value is None else f'{value:.4f}':>6}" for value in row)
        print(f"  {radius:>14}   {precision}    {recall}{'':>24}{pooled_precision}    {pooled_recall}")
        if pooled_recall.strip() == "1.0000":
            break


def rows_of(direction: dict[str, Any]) -> Iterator[tuple[str, float | None]]:
    """Every number of a direction with its name."""
    for keys, what in ROWS.items():
        value: Any = direction
        for key in keys:
            value = value[key]
        yield what, value
    for k, by_definition in direction["map_at"].items():
        for definition, value in by_definition.items():
            yield CUTS[definition].format(k, k), value
    for key, what in AT.items():
        for place, value in direction[key].items():
            yield what.format(place), value
    yield "queries that the most popular item is first for", direction["hubness"]
    yield "precision within a Hamming radius of 2", direction["precision_radius_2"]
    for recall, value in (direction["pr_curve"] or {}).items():
        yield f"precision at a recall of {recall}", value
