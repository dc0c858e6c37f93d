"""How long what is over is kept, and what forgets it in bounded steps."""
