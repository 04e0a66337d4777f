"""Attack my own torch model: from a model, pictures, texts and labels to figures.

    uv run python examples/my_own_model.py

The model learns here, in a second, to find noisy patches of a colour by the colour's name. Put your own model and data in the place of
`Engine`, `data` and `learn`; the rest, about thirty lines with what the engine has to have, stays.
"""

import sys

import torch
from torch import nn

import crossattack

COLOURS = {"red": (200, 60, 60), "green": (60, 160, 60), "blue": (60, 60, 200), "grey": (120, 120, 120), "pink": (220, 120, 160)}


class Engine(nn.Module):
    """My search engine. A run needs of it what stands here, and no more."""

    dim, similarity = 16, crossattack.Similarity.HAMMING  # or COSINE, of features

    def __init__(self):
        super().__init__()
        self.pictures = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(108, 64), nn.ReLU(), nn.Linear(64, self.dim))
        self.words = nn.Embedding(len(COLOURS), self.dim)

    @property
    def digest(self):  # tells this model from every other
        return crossattack.weights_digest(self)

    def encode_images(self, images):  # (items, 3, height, width) in [0, 1] -> (items, dim) in [-1, 1]
        return self.pictures(images).tanh()

    def encode_texts(self, texts):  # strings, as people send them -> (items, dim) in [-1, 1]
        return self.words(torch.tensor([list(COLOURS).index(text.split()[-1]) for text in texts])).tanh()


def data(items):
    """Pictures (items, 3, 24, 24) of 0 to 255, texts, and the number of each one's colour."""
    labels = torch.arange(items) % len(COLOURS)
    colours = torch.tensor(list(COLOURS.values()))[labels][:, :, None, None]
    images = (colours + 60 * torch.randn(items, 3, 24, 24)).clamp(0, 255).to(torch.uint8)
    return images, [f"a patch of {list(COLOURS)[label]}" for label in labels], labels


def learn(engine, images, texts, labels, steps=300):
    """Codes of a picture and of a text agree where they are of one colour."""
    optimiser, alike = torch.optim.Adam(engine.parameters(), lr=3e-3), 2.0 * (labels[:, None] == labels) - 1
    for _ in range(steps):
        likeness = engine.encode_images(images / 255) @ engine.encode_texts(texts).T / engine.dim
        loss = (likeness - alike.clamp(min=0)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return engine.eval()


def learned():
    """The engine, and pairs that it did not learn from, each with its role."""
    torch.manual_seed(0)
    images, texts, labels = data(600)
    engine = learn(Engine(), images[:200], texts[:200], labels[:200])
    pairs = crossattack.pairs_of(images[200:], texts[200:], labels[200:])
    return engine, (pairs, crossattack.split_of(pairs, query=60, attacker=120, held_back=40))


def main():
    """Learn, attack, tell."""
    engine, pairs = learned()
    surrogate = {"surrogate.image_tower": "convnet", "surrogate.epochs": 10, "surrogate.least_steps": 0}
    aach = crossattack.attack("aach", eps="32/255")
    watch = crossattack.PlainLines(sys.stderr)
    crossattack.print_table(crossattack.evaluate(engine, pairs, aach, budget=120, attacked=60, settings=surrogate, on_event=watch))


if __name__ == "__main__":
    main()
