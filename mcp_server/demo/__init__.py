"""`senses demo`: sentences go round through all four senses and come back, for people to look at and listen to."""
