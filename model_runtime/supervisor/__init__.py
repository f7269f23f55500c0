"""Carries out what the scheduler decides: requests, workers, time, memory, and the status of it all. Only `Supervisor`
and the watchdog are for the runtime; nothing here runs inside a worker.
"""
