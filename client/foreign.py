"""Foreign text made harmless where it is drawn or shown."""


def printable(text: object, most: int | None = None) -> str:
    """Text with what cannot be seen, or turns a line around, written out; cut where it is long."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))
    return shown if most is None or len(shown) <= most else f"{shown[: most - 1]}…"


def in_our_words(message: str) -> str:
    """What pydantic says of a value, for behind the name of that value."""
    return message.removeprefix("Value error, ").replace("Input should", "it should")
