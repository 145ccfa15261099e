"""Standard output and standard error that cannot fail: what they cannot carry is replaced, what they refuse is dropped.

The results of a command are its files. A terminal of another encoding, a full disk behind `>` or a reader that has gone
(`| head`) costs what was to be shown, and nothing else.
"""

import codecs
import io
import os
import select
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

PLAIN = {"–": "-", "—": "-", "−": "-", "★": "*", "·": "|", "…": "...", "“": '"', "”": '"', "‘": "'", "’": "'"}
PLAIN |= {"×": "x", "→": "->", "≥": ">=", "≤": "<=", "±": "+-"}
"""How characters that an encoding lacks are written; others lose their accents, or become a question mark."""
HANDLER = "seewhy.plain"
STREAMS = {1: "stdout", 2: "stderr"}
LOST = "what it was to show is lost, everything else goes on"


def protect(program: str) -> None:
    """Make `sys.stdout` and `sys.stderr` such that nothing written to them raises; every command begins with this.

    program: its name before the line on standard error which says that standard output cannot be written.
    """
    codecs.register_error(HANDLER, plain)
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # closed by `>&-`: the next file to be opened, such as rows, would be taken for the terminal
            os.open(os.devnull, os.O_RDWR)
            if number == 1:
                _say(program, "it is closed")
    for number, name in STREAMS.items():
        stream = getattr(sys, name)
        if stream is None:
            stream = io.TextIOWrapper(io.BufferedWriter(io.FileIO(number, "w", closefd=False)), encoding="utf-8")
        setattr(sys, name, _protected(stream, number, program))


def plain(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for characters that an encoding lacks, and where to go on: an error handler of `codecs`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(one) or _unaccented(one) or "?" for one in lacking), error.end


@contextmanager
def spared(say: Callable[[str], object]) -> Iterator[None]:
    """Show something inside; where standard output cannot take it, `say` is given a line and the command goes on."""
    try:
        yield
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        say(f"standard output: {why or error}; {LOST}")


class _Sink(io.FileIO):
    """The bytes of a stream, up to the first that cannot be written; `program` then says so once."""

    def __init__(self, number: int, program: str) -> None:
        super().__init__(number, "w", closefd=False)
        self.program, self.dead = program, False

    def write(self, data: "bytes | bytearray | memoryview", /) -> int:  # type: ignore[override]
        left = memoryview(data).cast("B")
        whole = len(left)
        while len(left) and not self.dead:
            try:
                if (written := super().write(left)) is None:
                    select.select([], [self], [])  # the terminal was left non-blocking by another program
                left = left[written or 0 :]
            except OSError as error:
                self.dead = True
                if self.fileno() == 1:
                    _say(self.program, error.strerror or str(error))
        return whole


def _protected(stream: io.TextIOWrapper, number: int, program: str) -> io.TextIOWrapper:
    """The stream over a `_Sink`, unless it is none of the process's own: that of a test or of a notebook."""
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # PYTHONUNBUFFERED leaves out the buffer
    if isinstance(raw, _Sink):  # also in a process that was forked, where the number may stand for another file
        raw.program, raw.dead = program, False
        return stream
    if type(stream) is not io.TextIOWrapper or not isinstance(raw, io.FileIO) or stream.fileno() != number:
        with suppress(AttributeError, OSError, ValueError):
            stream.reconfigure(errors=HANDLER)
        return stream
    with suppress(OSError):
        stream.flush()
    sink: Any = _Sink(number, program)
    return io.TextIOWrapper(
        sink if raw is buffer else io.BufferedWriter(sink),
        encoding=stream.encoding,
        errors=HANDLER,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _unaccented(character: str) -> str:
    """The ASCII letters in a character."""
    return unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()


def _say(program: str, why: str) -> None:
    with suppress(OSError):
        os.write(2, f"{program}: standard output: {why}; {LOST}\n".encode())
