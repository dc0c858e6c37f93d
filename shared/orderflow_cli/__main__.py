"""The program `orderflow`, also as `python -m orderflow_cli`."""

import sys


def main() -> None:
    """Run the command line; what it lacks, where only the library was installed, is one line."""
    try:
        from orderflow_cli.app import main as run  # noqa: PLC0415 (it may lack what it imports)
    except ModuleNotFoundError as error:
        needs = "the command line needs orderflow[local] and knative-local"
        sys.exit(f"orderflow: {error.name} is not installed: {needs}")
    run()


if __name__ == "__main__":
    main()
