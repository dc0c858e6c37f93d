"""HTTP: handlers, request bodies, pages."""
