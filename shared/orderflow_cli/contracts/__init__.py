"""The contract as files, and what a change of it would break."""
