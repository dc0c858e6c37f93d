"""`python -m orderflow_cli`: the command line."""

from orderflow_cli.app import main

main()
