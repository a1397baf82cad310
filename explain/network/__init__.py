"""What makes a network explainable: its graph, its needs, its layers."""
