"""The contract as pages for people: plain HTML, nothing from another place, no script."""

import base64
import hashlib
import re
from collections.abc import Iterable
from html import escape
from typing import Any

import orjson

from orderflow.contract.problems import ProblemType, problem_types
from orderflow.contract.schemas import Schema

Rows = Iterable[Iterable[str]]

STYLE = """
:root { color-scheme: light dark; --line: #8886; --link: light-dark(#0645ad, #8ab4f8); }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
a { color: var(--link); }
a.skip { position: absolute; left: -999rem; }
a.skip:focus { position: static; }
code, pre { font: .9rem/1.4 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid var(--line); border-radius: .25rem; }
section { border-top: 1px solid var(--line); margin-top: 2rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .75rem 0; }
caption { text-align: left; font-weight: 600; }
th, td { text-align: left; vertical-align: top; padding: .25rem .5rem .25rem 0;
  border-bottom: 1px solid var(--line); }
"""
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; " + "; ".join(
    f"{what} 'none'" for what in ("base-uri", "form-action", "frame-ancestors")
)


def documentation(document: Any) -> str:
    """Return the page of an OpenAPI document."""
    info, paths = document["info"], document["paths"]
    calls = [(path, method) for path in paths for method in paths[path]]
    index = [
        f'<li><a href="#{paths[path][method]["operationId"]}"><code>{method.upper()} '
        f"{escape(path)}</code></a> {_text(paths[path][method]['summary'])}</li>"
        for path, method in calls
    ]
    problems = [
        [_link(row.uri, row.slug), str(row.status), _text(row.meaning)] for row in problem_types()
    ]
    schemas = document["components"]["schemas"]
    body = [
        f"<p>Version {escape(info['version'])}, as a document: {_link('/openapi.json')}</p>",
        *(f"<p>{_text(paragraph)}</p>" for paragraph in info["description"].split("\n\n")),
        f'<nav aria-label="Calls"><ul>{"".join(index)}</ul></nav>',
        *(_call(document, path, method) for path, method in calls),
        _section("types", "Types", "".join(_type(name, schemas[name]) for name in schemas)),
        _section("problems", "Problems", _table("Types", ("type", "status", "meaning"), problems)),
    ]
    return _page(info["title"], "".join(body))


def problem_page(row: ProblemType) -> str:
    """Return the page of a type of problem."""
    body = [
        f"<p>Status {row.status}, type <code>{escape(row.uri)}</code></p>",
        f"<h2>What it means</h2><p>{_text(row.meaning)}</p>",
        f"<h2>What to do</h2><p>{_text(row.remedy)}</p>",
        f"<p>All of them: {_link('/docs#problems', 'the documentation')}</p>",
    ]
    return _page(row.title, "".join(body))


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<style>{STYLE}</style></head><body><a class="skip" href="#main">To the content</a>'
        f'<main id="main"><h1>{escape(title)}</h1>{body}</main></body></html>'
    )


def _call(document: Any, path: str, method: str) -> str:
    operation = document["paths"][path][method]
    scopes = [scope for way in operation["security"] for scope in way["bearer"]]
    scope = f"Needs the scope <code>{escape(scopes[0])}</code>." if scopes else "Needs no token."
    parameters = [
        [
            f"<code>{escape(given['name'])}</code>",
            given["in"],
            _told(given["schema"]),
            _text(given.get("description", "")),
        ]
        for given in operation["parameters"]
    ]
    responses = [_response(document, *found) for found in operation["responses"].items()]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return _section(
        operation["operationId"],
        f"{method.upper()} {path}",
        f"<p>{_text(operation['summary'])}. {scope}</p>"
        + _table("Parameters", ("name", "in", "type", "meaning"), parameters)
        + (f"<h3>Body</h3><p>{_told(body['schema'])}</p>{_json(body['example'])}" if body else "")
        + _table("Answers", ("status", "meaning", "type", "headers"), responses)
        + _example(operation),
    )


def _response(document: Any, status: str, response: Schema) -> list[str]:
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        kind = "Problem"
        what = "<br>".join(_text(line) for line in response["description"].split("\n\n"))
        told = f'<a href="#{kind}">{kind}</a>'
    else:
        what = _text(response["description"])
        told = "<br>".join(
            f"{_told(content['schema'])} <code>{escape(media)}</code>"
            for media, content in response["content"].items()
        )
    headers = ", ".join(f"<code>{escape(name)}</code>" for name in response.get("headers", {}))
    return [status, what, told, headers]


def _example(operation: Any) -> str:
    (content, *_) = next(iter(operation["responses"].values()))["content"].values()
    return f"<h3>Example of an answer</h3>{_json(content['example'])}"


def _type(name: str, schema: Schema) -> str:
    required = schema.get("required", ())
    rows = [
        [
            f"<code>{escape(field)}</code>",
            _told(of),
            "yes" if field in required else "no",
            _text(of.get("description", "")),
        ]
        for field, of in schema["properties"].items()
    ]
    table = _table("Fields", ("name", "type", "always there", "meaning"), rows)
    return f'<h3 id="{name}">{name}</h3><p>{_text(schema.get("description", ""))}</p>{table}'


_LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "default": "{} unless given",
}


def _told(schema: Schema) -> str:
    """Return a schema in words, as HTML."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_told(choice) for choice in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        told = " or ".join(f"<code>{_dumped(value)}</code>" for value in values)
    elif schema.get("type") == "array":
        told = f"list of {_told(schema['items'])}"
    else:
        told = escape(schema.get("format") or schema.get("type", "anything"))
    limits = [text.format(_dumped(schema[n])) for n, text in _LIMITS.items() if n in schema]
    return f"{told} ({', '.join(limits)})" if limits else told


def _section(anchor: str, title: str, content: str) -> str:
    heading = f'<h2 id="{anchor}">{escape(title)}</h2>'
    return f'<section aria-labelledby="{anchor}">{heading}{content}</section>'


def _table(caption: str, columns: Iterable[str], rows: Rows) -> str:
    cells = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    table = f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{cells}"
    return f'<div class="table" tabindex="0">{table}</tbody></table></div>' if cells else ""


def _text(text: str) -> str:
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def _link(address: str, text: str = "") -> str:
    return f'<a href="{escape(address)}">{escape(text or address)}</a>'


def _json(value: object) -> str:
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return f'<pre tabindex="0">{escape(text)}</pre>'


def _dumped(value: object) -> str:
    return escape(orjson.dumps(value).decode())
