"""How the whole does at this moment, from counters and a few indexes: what a person looks at."""
