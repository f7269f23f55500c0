"""Make the shipped weights of the starter models again: corpora, trainings, exports and scores, each a command."""
