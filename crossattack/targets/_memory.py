"""What a lesson carries from batch to batch besides what learns."""

import torch
from torch import Tensor, nn


class Memory(nn.Module):
    """How many batches there were, tables, and randomness of the lesson's own; kept after every epoch with the network.

    So a training that is gone on with after a kill finds all of it again. Tables are buffers, by their names; generator: None where
    nothing is drawn.
    """

    batches: Tensor

    def __init__(self, generator: torch.Generator | None = None, **tables: Tensor) -> None:
        super().__init__()
        self.generator = generator
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))
        for name, table in tables.items():
            self.register_buffer(name, table)

    def __getitem__(self, table: str) -> Tensor:
        """A table, to be read or written in place."""
        return self.get_buffer(table)

    def count(self) -> int:
        """The number of this batch, from 0 over all epochs."""
        number = int(self.batches)
        self.batches += 1
        return number

    def get_extra_state(self) -> Tensor:
        """The generator's state, as a tensor."""
        return torch.empty(0, dtype=torch.uint8) if self.generator is None else self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """The same, read back."""
        if self.generator is not None:
            self.generator.set_state(state.cpu())
