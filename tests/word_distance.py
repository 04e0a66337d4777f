"""How far two texts are apart, word by word, counted without the code that edits them."""

from surrogates.texts import Text, words_of


def distance(clean: Text, edited: Text) -> int:
    """How many words were touched: places of the clean text that changed, and words at its end."""
    before, after = words_of(clean), words_of(edited)
    rows = list(range(len(after) + 1))
    for place, word in enumerate(before, 1):  # Levenshtein, word by word
        above, rows[0] = rows[0], place
        for column, other in enumerate(after, 1):
            above, rows[column] = rows[column], min(rows[column] + 1, rows[column - 1] + 1, above + (word != other))
    return rows[-1]
