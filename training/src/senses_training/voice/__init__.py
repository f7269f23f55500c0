"""How the voice starter was made: speech of espeak-ng, taken apart into phonemes, durations, pitch and loudness."""
