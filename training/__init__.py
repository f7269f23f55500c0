"""How the starter models were made: data generators, training and scoring, all runnable."""
