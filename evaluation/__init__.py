"""What trained classifiers answer, and how good their answers are."""
