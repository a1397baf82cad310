"""The page of a first look at data."""
