"""What can be planted in an item and how it is read back: factors, meters and the bias rule."""
