"""The server a function runs in: admission and graceful shutdown."""
