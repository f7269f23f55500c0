"""Send sentences round through all four senses; `senses demo`, `senses doctor` and `training.loop` use it."""
