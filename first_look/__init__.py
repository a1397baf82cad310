"""A first look at data before anything is trained: what is there, what goes with the class, what is left out."""
