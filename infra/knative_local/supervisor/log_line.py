"""One printed line for people, or for machines."""

import re

import orjson

# What gunicorn and uvicorn say of themselves while they start and stop.
_SERVER_NOISE = re.compile(
    r"^(\[\d{4}-[^]]*\] \[\d+\] \[(INFO|DEBUG)\] "
    r"|INFO: +(Started|Waiting|Application|Uvicorn|Shutting|Finished))"
)
_FRAME = re.compile(r'^ *File "([^"]+)", line (\d+)', re.MULTILINE)
_NOT_OF_THE_USER = re.compile(r"^<|/site-packages/|/lib/python\d")
_EXCEPTION = re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning)\b.*)$", re.M)
# Said by the place of the line and its name, by its other words, or of use to machines only.
_UNSAID = frozenset({"time", "timestamp", "level", "function", "trace_id"})
_TEXT = ("event", "message", "exception")


def for_people(name: str, line: str) -> str:
    """A short readable line after the component's name; empty for what only a server says."""
    if _SERVER_NOISE.match(line):
        return ""
    fields = _fields(line)
    if fields is None:
        return f"{name} | {line}\n"
    return f"{name} | {_readable(fields)}\n"


def for_machines(name: str, line: str) -> str:
    """A JSON object: the one that was printed, or the line as `line`, and the component."""
    fields = _fields(line)
    found = {"component": name, **({"line": line} if fields is None else fields)}
    return orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE).decode()


def cause_of(text: str) -> str:
    """The last exception in what was printed and where it is, else the last line not blank."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    exceptions = list(_EXCEPTION.finditer(text))
    if not exceptions:
        return lines[-1] if lines else ""
    frames = _FRAME.findall(text[: exceptions[-1].start()])
    own = [frame for frame in frames if not _NOT_OF_THE_USER.search(frame[0])]
    place = (own or frames)[-1:]
    said = exceptions[-1][1].strip()
    return f"{said} ({place[0][0]}:{place[0][1]})" if place else said


def _fields(line: str) -> dict[str, object] | None:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _readable(fields: dict[str, object]) -> str:
    level = str(fields.get("level", "info"))
    words = [] if level in {"info", "debug"} else [level.upper()]
    rest = {name: value for name, value in fields.items() if name not in {*_UNSAID, *_TEXT}}
    if "method" in rest and "path" in rest:
        words += [str(rest.pop(name)) for name in ("method", "path", "status") if name in rest]
        duration_ms = rest.pop("duration_ms", None)
        words += [f"{duration_ms:.1f} ms"] if isinstance(duration_ms, int | float) else []
    else:
        words += [str(fields[name]) for name in _TEXT[:2] if name in fields]
    words += [f"{name}={value}" for name, value in rest.items()]
    exception = fields.get("exception")
    return " ".join(words) + (f"\n{exception}" if exception else "")
