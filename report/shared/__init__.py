"""What all pages share: reading files, words, charts, pictures."""
