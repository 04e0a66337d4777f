"""The command line: `crossattack run | sweep | compare | perturb | serve | replay | report | score | evaluate | ledger | list | data |
targets`.

Nothing heavy is imported before it is needed, so that help and refusals come at once. What goes wrong on purpose is one
line a problem on stderr, never a traceback; a traceback is a bug of ours.

Exit codes: 0 done, 1 anything else, 2 bad usage, 3 budget refused, 130 interrupted, 141 nobody reads stdout.
"""

import json
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from crossattack._cli_compare import compare_command
from crossattack._cli_data import data_app
from crossattack._cli_evaluate import evaluate_command
from crossattack._cli_ledger import ledger_app
from crossattack._cli_output import stdout_or_a_line
from crossattack._cli_report import report_command
from crossattack._cli_score import score_command
from crossattack._cli_sweep import sweep_command
from crossattack._cli_targets import AllowCode, targets_app
from crossattack._machine import settle
from crossattack._perturb_command import perturb_command
from crossattack.errors import CrossattackError, Interrupted
from crossattack.leave import Leave

app = typer.Typer(
    name="crossattack",
    help="How far can someone who only sends queries, and only so many, break a cross-modal hashing system?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(data_app, name="data")
app.add_typer(ledger_app, name="ledger")
app.add_typer(targets_app, name="targets")
app.command("perturb")(perturb_command)
app.command("report")(report_command)
app.command("score")(score_command)
app.command("evaluate")(evaluate_command)

RunFolder = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or its name in --runs.")]
Runs = Annotated[Path, typer.Option(metavar="DIR", help="Where runs' folders lie.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, alone, on stdout.")]


class Revealed(Enum):
    """What a service may show."""

    CODES = "codes"
    RANKING = "ranking"


Override = Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="Any other setting, by its dotted key. Repeatable.")]


def _version(asked: bool | None) -> None:
    if asked:
        from importlib.metadata import version

        print(f"crossattack {version('crossattack')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool | None, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")] = False,
) -> None:
    pass


@app.command("run")
def run_command(
    target: Annotated[str | None, typer.Option(metavar="NAME", help="The system under test: `crossattack list targets`. [dcmh]")] = None,
    attack: Annotated[str | None, typer.Option(metavar="NAME", help="`crossattack list attacks`. [aach]")] = None,
    data: Annotated[str | None, typer.Option(metavar="NAME", help="`crossattack list datasets`. [pictograms]")] = None,
    root: Annotated[str | None, typer.Option(metavar="DIR", help="Where your files of the data set lie.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Settings as YAML; flags win over it.")] = None,
    set_: Override = None,
    bits: Annotated[str | None, typer.Option(metavar="INT", help="Bits of the target's codes. [32]")] = None,
    budget: Annotated[str | None, typer.Option(metavar="INT", help="Queries that the attacker may pay for, in all. [2000]")] = None,
    per_item: Annotated[str | None, typer.Option(metavar="INT", help="Queries on behalf of one attacked item. [no cap]")] = None,
    eps: Annotated[str | None, typer.Option(metavar="FLOAT", help="Radius of attack and ceiling, in pixels of [0, 1]. [8/255]")] = None,
    steps: Annotated[str | None, typer.Option(metavar="INT", help="Steps of the attack. [20]")] = None,
    attacked: Annotated[str | None, typer.Option(metavar="INT", help="Items attacked, of either modality. [500]")] = None,
    seed: Annotated[str | None, typer.Option(metavar="INT", help="Of attacker, control and bootstrap. [0]")] = None,
    device: Annotated[str | None, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N. [auto]")] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The run's folder. [what is run, and -2, -3, ... where that is taken]")
    ] = None,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="Where runs' folders lie.")] = Path("runs"),
    authorised: Annotated[
        bool, typer.Option("--i-am-authorised", help="You own the service at target.url, or its owner lets you test it.")
    ] = False,
    allow_code: AllowCode = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that stopped, on the same bill.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Losses and progress as scalars, in the run's folder.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress; print nothing but the run's folder.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="results.json, alone, on stdout.")] = False,
) -> None:
    """Attack a target on a query budget, and say how far that got.

    \b
    Examples:
      crossattack run
      crossattack run --budget 500 --eps 4/255 --seed 1
      crossattack run --config mine.yaml --set surrogate.image_tower=convnet
      crossattack run --data scenes --set target.image_tower=convnet --attacked 100
      crossattack run --name dcmh-aach-pictograms-32bits-seed0 --resume
      crossattack run --target http --set target.url=http://127.0.0.1:8000
      crossattack run --json --quiet > results.json

    Exit codes: 0 done, 2 bad usage, 3 budget refused, 130 interrupted (go on with --resume), 1 anything else.
    """
    from crossattack._run_command import Wish, run

    flags = {
        **{"target.name": target, "attack.name": attack, "data.name": data, "data.root": root, "target.bits": bits},
        **{"oracle.budget": budget, "oracle.per_item": per_item, "attack.eps": eps, "attack.steps": steps},
        **{"attacked": attacked, "seed": seed, "device": device, "name": name},
        **{"target.authorised": authorised or None, "target.allow_code": Leave() if allow_code else None},
    }
    shown: dict[str, Any] = {"quiet": quiet, "as_json": as_json, "tensorboard": tensorboard}
    run(Wish(path=config, overrides=set_ or [], flags=flags, runs=runs, resume=resume, **shown))


app.command("sweep")(sweep_command)
app.command("compare")(compare_command)


@app.command("serve")
def serve_command(
    target: Annotated[str | None, typer.Option(metavar="NAME", help="What is served: `crossattack list targets`. [dcmh]")] = None,
    data: Annotated[str | None, typer.Option(metavar="NAME", help="Its data set: `crossattack list datasets`. [pictograms]")] = None,
    root: Annotated[str | None, typer.Option(metavar="DIR", help="Where your files of the data set lie.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Settings as YAML; flags win over it.")] = None,
    set_: Override = None,
    bits: Annotated[str | None, typer.Option(metavar="INT", help="Bits of the target's codes. [32]")] = None,
    device: Annotated[str | None, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N. [auto]")] = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen; any but this machine's own wants tokens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="INT", min=0, max=65535, help="0 for one that is free.")] = 8765,
    reveals: Annotated[Revealed, typer.Option(help="What answers show.")] = Revealed.CODES,
    top_k: Annotated[int | None, typer.Option(metavar="INT", min=1, help="Hits that a search shows, with `ranking`. [10]")] = None,
    tokens: Annotated[Path | None, typer.Option(metavar="FILE", help="Bearer tokens, `name:token` a line. [$CROSSATTACK_TOKENS]")] = None,
    rate: Annotated[str | None, typer.Option(metavar="N/s", help="Items a second, of one account. [no limit]")] = None,
    quota: Annotated[int | None, typer.Option(metavar="INT", min=0, help="Items that one account may ever ask. [no limit]")] = None,
    allow_code: AllowCode = False,
    state: Annotated[Path | None, typer.Option(metavar="FILE", help="Counts and idempotency keys. [one a target, in the cache]")] = None,
) -> None:
    """Serve a target over HTTP, with a search page: a black box that is really remote.

    \b
    Examples:
      crossattack serve --target dcmh
      crossattack serve --reveals ranking --top-k 50 --rate 100/s
      crossattack serve --host 0.0.0.0 --tokens tokens.txt --quota 10000
      crossattack serve --data scenes --set data.pairs=2000 --set target.image_tower=convnet

    Exit codes: 0 interrupted by its owner, 2 bad usage, 1 anything else.
    """
    from crossattack.serve.start import Wish, serve

    leave = Leave() if allow_code else None
    flags = {"target.name": target, "data.name": data, "data.root": root, "target.bits": bits, "device": device, "target.allow_code": leave}
    serve(
        Wish(
            path=config,
            overrides=set_ or [],
            flags=flags,
            host=host,
            port=port,
            reveals=reveals.value,
            top_k=top_k,
            tokens=tokens,
            rate=rate,
            quota=quota,
            state=state,
        )
    )


@app.command("list")
def list_command(
    kind: Annotated[str, typer.Argument(help="attacks, objectives, targets, defences, surrogates, datasets or metrics")],
) -> None:
    """What there is to choose from, in a line each.

    \b
    Examples:
      crossattack list attacks
      crossattack list surrogates
    """
    from crossattack.report.catalogue import MORE, catalogue

    for name, summary in catalogue(kind):
        print(f"{name:<20} {summary}")
    if kind in MORE:
        print(MORE[kind])


@app.command("replay")
def replay_command(run: RunFolder, runs: Runs = Path("runs"), as_json: AsJson = False) -> None:
    """Compute every figure of a run again from its folder, with no query, and say where they differ.

    \b
    Examples:
      crossattack replay dcmh-aach-pictograms-32bits-seed0
      crossattack replay elsewhere/runs/mine --json

    Exit codes: 0 all equal, 1 something differs (a line each: what was kept, what was recomputed), 2 bad usage.
    """
    from crossattack.replay import replay, summary
    from crossattack.run_folder import finished_run

    folder = finished_run(run, runs)
    differences, replayed = replay(folder)
    told = summary(differences, replayed)
    if as_json:
        print(json.dumps(told, indent=2))
    else:
        for difference in differences:
            print(difference)
        where = f"{folder}/results.json"
        print(f"{where}: {replayed} values computed again, {len(differences)} differences; not replayed: {', '.join(told['not_replayed'])}")
    if differences:
        raise typer.Exit(1)


def main(arguments: Sequence[str] | None = None, called: str = "crossattack") -> int:
    """Run a command; its exit code."""
    settle()
    try:
        with stdout_or_a_line():
            code = typer.main.get_command(app).main(arguments, prog_name=called, standalone_mode=False) or 0
        if code == Interrupted.exit_code:  # what typer makes of Ctrl-C
            raise KeyboardInterrupt
        return code
    except (KeyboardInterrupt, Interrupted) as interrupt:
        print(str(interrupt) or "interrupted", file=sys.stderr)
        return Interrupted.exit_code
    except CrossattackError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return error.exit_code
    except typer.TyperException as error:
        message = error.format_message()
        if not message or "\n" in message:  # typer's way of saying that help was meant
            print(message)
        else:
            print(f"error: {message}", file=sys.stderr)
        return error.exit_code
