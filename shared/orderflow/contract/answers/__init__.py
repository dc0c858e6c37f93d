"""What functions answer, as types: only the contract and its tests use them, no call does.

Fields may be added, so a reader ignores those that it does not know.
"""
