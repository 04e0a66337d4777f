"""Progress as scalars for TensorBoard, in the folder of a run.

crossattack run --tensorboard                     # then: tensorboard --logdir runs
with tensorboard_in(folder) as listener:
    evaluate(engine, data, on_event=listener)

training_surrogate/loss        numbers that a stage tells, by the steps it has done
progress/training_surrogate    the share of its steps that are done
seconds/training_surrogate     how long it took, once it has ended
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from crossattack.errors import MissingDependency, UsageError
from crossattack.progress import Event, Kind, Listener

FOLDER = "tensorboard"  # within that of the run


def tensorboard_or_a_line() -> None:
    """`MissingDependency` where TensorBoard is not installed; to be asked before anything is written."""
    if find_spec("tensorboard") is None:
        raise MissingDependency("tensorboard wanted, not installed; run `pip install 'crossattack[tensorboard]'`.")


@contextmanager
def tensorboard_in(folder: Path | str) -> Iterator[Listener]:
    """A listener that writes to `folder`/tensorboard until the end of the block. A resumed run adds a file to those there."""
    tensorboard_or_a_line()
    from torch.utils.tensorboard import SummaryWriter

    path = Path(folder) / FOLDER
    try:
        writer = SummaryWriter(str(path))
    except OSError as error:
        raise UsageError(f"tensorboard: a folder to write to wanted, {path} got ({error.strerror}); name another.") from error

    def listen(event: Event) -> None:
        stage = re.sub(r"\W+", "_", event.stage).strip("_")
        if event.kind is Kind.TICKED:
            scalars = {f"{stage}/{name}": value for name, value in event.values.items()}
            scalars[f"progress/{stage}"] = event.done / max(1, event.total)
        else:
            scalars = {f"seconds/{stage}": event.seconds} if event.kind is Kind.ENDED else {}
        for tag, value in scalars.items():
            writer.add_scalar(tag, value, event.done)

    try:
        yield listen
    finally:
        writer.close()
