"""In the way of the package of that name, which no image of a function has.

structlog loads it where it is there, and takes it as told where it is not.
"""

raise ImportError("no image of a function has rich")
