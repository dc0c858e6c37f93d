"""`orderflow top`: how the whole does, drawn anew every two seconds, or once."""

from contextlib import suppress
from time import sleep

from rich.console import Console
from rich.live import Live

from orderflow.errors import ConfigurationError
from orderflow_cli.output import WIDTH_OF_NO_TERMINAL
from orderflow_cli.top.source import Gateway, NoAnswer
from orderflow_cli.top.view import page

EVERY_S = 2.0  # figures are kept for a second: more often shows nothing new


def top_command(gateway: Gateway, *, once: bool = False) -> None:
    """Show the overview until Ctrl-C; once if asked to, or if this is no terminal.

    While there is no answer the last one stays, and says why. Raises `ConfigurationError` if there
    was none at all, or the token won't do.
    """
    try:
        told = gateway.overview()
    except NoAnswer as error:
        raise ConfigurationError(str(error)) from error
    console = Console(emoji=False)
    if not console.is_terminal:
        console = Console(emoji=False, width=WIDTH_OF_NO_TERMINAL)
    if once or not console.is_terminal:
        console.print(page(told, gateway.url))
        return
    shown = page(told, gateway.url)
    with (
        suppress(KeyboardInterrupt),
        Live(shown, console=console, screen=True, auto_refresh=False) as live,
    ):
        while True:
            sleep(EVERY_S)
            fault = None
            try:
                told = gateway.overview()
            except NoAnswer as error:
                fault = str(error)
            live.update(page(told, gateway.url, fault), refresh=True)
