"""Walking the latent space of a trained model: codes, directions, walks, meters, plots."""
