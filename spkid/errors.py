"""One error type: a sentence that says what came, what was expected and what to do."""


class SpkidError(Exception):
    """Something the caller can put right.

    Parameters
    ----------
    got, expected, do : str
        Fragments without a final full stop; ``str(error)`` joins them into one
        sentence. ``code`` is a short machine-readable reason.
    """

    def __init__(self, got: str, *, expected: str, do: str, code: str = "bad_input") -> None:
        self.got, self.expected, self.do, self.code = got, expected, do, code
        super().__init__(f"{got}; expected {expected}; {do}.")
