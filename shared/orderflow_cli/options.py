"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path, typer.Option("--data", help="Folder for the database, logs and state.")]
Postgres = Annotated[
    str | None, typer.Option("--postgres", metavar="URL", help="A PostgreSQL of your own.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
