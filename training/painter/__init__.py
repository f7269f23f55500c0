"""The painter starter: a small FLUX.2-klein. For now it is built but not trained."""
