"""Carries out what the scheduler decides: requests, workers, time, memory and their status. The runtime uses only
`Supervisor`, the watchdog and the status; nothing here runs inside a worker.
"""
