"""The verdict: arms, gates, scores, and which explanation reveals the planted bias."""
