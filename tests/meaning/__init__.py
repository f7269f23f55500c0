"""What answers must mean: pictures and recordings of known meaning, and checks that any face of Senses can be put to."""
