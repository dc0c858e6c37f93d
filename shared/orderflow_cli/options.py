"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

DATA = Path(".data")

Data = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="FOLDER",
        file_okay=False,
        help="Where a stack keeps its data, logs and state.",
    ),
]
Postgres = Annotated[
    str | None,
    typer.Option(
        "--postgres",
        metavar="URL|@FILE",
        help="A PostgreSQL of your own; also as ORDERFLOW_POSTGRES_URL.",
    ),
]
Kafka = Annotated[
    str | None, typer.Option("--kafka", metavar="SERVERS", help="A Kafka of your own.")
]
Project = Annotated[
    Path | None,
    typer.Option("--project", metavar="FOLDER", help="Functions and manifests; else this folder."),
]
Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="Where the gateway listens.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
