"""Starts, talks to, stops and reaps one worker process. The supervisor decides when."""
