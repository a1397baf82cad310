"""From settings to a trained run: learner, stages, baseline, thesis preset."""
