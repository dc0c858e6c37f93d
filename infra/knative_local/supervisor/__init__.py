"""Processes: started in stages, kept running, stopped in order."""
