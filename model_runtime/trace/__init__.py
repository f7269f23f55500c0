"""What was asked of the runtime, kept to judge how well it decided: the log, and its replay against the optimum."""
