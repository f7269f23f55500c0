"""The catalogue of models: names, files and memory estimates. It reads small files; it downloads and loads nothing."""
