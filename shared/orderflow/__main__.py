"""`python -m orderflow`: the command line."""

from orderflow.cli import main

main()
