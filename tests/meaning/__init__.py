"""What answers must mean: images and recordings of known meaning, and checks that run against each interface of Senses."""
