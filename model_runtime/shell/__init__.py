"""Everything around the scheduler that has effects: jobs, processes, time, memory, and the status of it all."""
