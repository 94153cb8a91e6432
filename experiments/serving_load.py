"""Load from `wrk`, with a body of Lua."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 16
_LUA = """
local bodies, paths, number = {}, {}, 0
local file = io.open(%(folder)s .. "/bodies.txt")
if file then
  for line in file:lines() do bodies[#bodies + 1] = line end
  file:close()
end
for line in io.lines(%(folder)s .. "/paths.txt") do paths[#paths + 1] = line end

function request()
  number = number + 1
  local body = bodies[number %% #bodies + 1]
  return wrk.format(body and "POST" or "GET", paths[number %% #paths + 1], wrk.headers, body)
end

function delay()
  return %(delay)d
end

function done(summary, latency, requests)
  local errors = summary.errors
  print(string.format(
    'RESULT {"answers": %%d, "seconds": %%f, "p50": %%f, "p99": %%f, "most": %%f, "failed": %%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, latency.max / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """What is asked, again and again.

    Parameters
    ----------
    url : str
        Of whom.
    paths : sequence of str
        Taken in turn.
    bodies : sequence of str
        Taken in turn, and posted; nothing is posted where there is none.
    headers : mapping of str to str
        Sent along.
    """

    url: str
    paths: Sequence[str]
    bodies: Sequence[str] = ()
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Speed:
    """What came of it.

    Parameters
    ----------
    answers : int
        All of them.
    rate : float
        A second.
    p50, p99, most : float
        Milliseconds.
    failed : int
        Answers that were errors, or none.
    """

    answers: int
    rate: float
    p50: float
    p99: float
    most: float
    failed: int


def asked(load: Load, folder: Path, seconds: int, pause: int = 0) -> Speed:
    """Ask over 16 connections for some seconds.

    Parameters
    ----------
    load : Load
        What to ask.
    folder : Path
        For the files that `wrk` reads.
    seconds : int
        How long.
    pause : int
        Milliseconds that a connection waits before it asks again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "paths.txt").write_text("\n".join(load.paths), encoding="utf-8")
    (folder / "bodies.txt").write_text("\n".join(load.bodies), encoding="utf-8")
    script = folder / "load.lua"
    text = _LUA % {"folder": json.dumps(str(folder)), "delay": pause}
    if not pause:  # wrk sets a timer for each request where there is such a function, even of 0
        text = text.replace(text[text.index("function delay") : text.index("function done")], "")
    script.write_text(text, encoding="utf-8")
    headers = {"Content-Type": "application/json", **(load.headers or {})}
    told = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s"]
    done = subprocess.run(
        [*command, "-s", str(script), *told, load.url], check=True, capture_output=True, text=True
    )
    (line,) = (x for x in done.stdout.splitlines() if x.startswith("RESULT "))
    found = json.loads(line.removeprefix("RESULT "))
    span = found.pop("seconds")
    return Speed(rate=found["answers"] / span, **found)
