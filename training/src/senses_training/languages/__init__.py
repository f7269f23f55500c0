"""Makes `model_runtime/catalog/latin_letter_groups.txt`, by which languages of the Latin script are told apart."""
