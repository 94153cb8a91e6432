"""A text file in any encoding, as the UTF-8 that Arrow reads."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from pathlib import Path

# Bytes that the encoding does not know travel as the last private-use characters of Unicode, so
# that Arrow accepts them and the line can still be shown byte by byte.
_FIRST_STRAY = 0x10FF00
STRAY = f"[\\x{{{_FIRST_STRAY:X}}}-\\x{{{_FIRST_STRAY + 0xFF:X}}}]"


# What reading may raise: the disk's faults, and those of a damaged or truncated ``.gz``.
DAMAGES = (OSError, EOFError, zlib.error)
_LINE_ENDS = ("\n", "\r")


class Utf8Stream(io.RawIOBase):
    """A file as UTF-8 without byte-order mark, its last line ended.

    Parameters
    ----------
    path : Path
        The file, or its ``.gz``.
    encoding : str
        What it is written in. Bytes that are not in it match `STRAY`.
    quote : str
        What stands around a value that may go over several lines.

    Raises
    ------
    LookupError
        If there is no such encoding.

    Attributes
    ----------
    stray : bool
        Whether a byte that is not in the encoding was met.
    """

    def __init__(self, path: Path, *, encoding: str, quote: str) -> None:
        marked = encoding.lower() in {"utf-8", "utf8"}
        decoder = codecs.getincrementaldecoder("utf-8-sig" if marked else encoding)
        self._decoder = decoder(errors="surrogateescape")
        self._file = gzip.GzipFile(path) if path.suffix == ".gz" else path.open("rb")
        self._buffer = b""
        self._ended = False
        self._quote = quote
        # The last two characters of the file, and one of the line ends after them.
        self._tail = ""
        self.stray = False

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        """Fill `target`, as far as the file goes."""
        data = self.read(len(target))
        target[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, or to the end."""
        while size < 0 or len(self._buffer) < size:
            block = self._file.read(1 << 20)
            text = self._decoder.decode(block, final=not block)
            self._keep_tail(text)
            self._buffer += self._encoded(text)
            if not block:
                if not self._ended:  # a last line without its end is one all the same
                    self._buffer += b"\n"
                    self._ended = True
                break
        size = len(self._buffer) if size < 0 else size
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    @property
    def ended(self) -> bool:
        """Whether the last line that was read had its end in the file."""
        return self._tail.endswith(_LINE_ENDS)

    def leaves_open(self, last: str) -> bool:
        """Tell whether the file ended inside quotes, once it was read.

        Parameters
        ----------
        last : str
            The last value, or the last line with its quotes. An open quote takes in all that
            follows it, to the last line end; that of a closed one stands before its mate.
        """
        inner = self._tail.rstrip("".join(_LINE_ENDS))
        closed = inner.endswith(self._quote) and inner[:-1].endswith(_LINE_ENDS)
        return last.endswith("\n") and not closed

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()

    def _keep_tail(self, text: str) -> None:
        tail = self._tail + text
        inner = tail.rstrip("".join(_LINE_ENDS))
        self._tail = inner[-2:] + tail[len(inner) :][:1]

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode()
        except UnicodeEncodeError:
            self.stray = True
            escaped = (
                chr(_FIRST_STRAY + ord(c) - 0xDC00) if "\udc80" <= c <= "\udcff" else c
                for c in text
            )
            return "".join(escaped).encode()


def shown(text: str) -> str:
    """Show stray bytes by their number."""
    return "".join(f"\\x{ord(c) - _FIRST_STRAY:02X}" if ord(c) >= _FIRST_STRAY else c for c in text)
