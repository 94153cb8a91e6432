"""Training: recipes, the model and its calibration, bundles, and the record of runs."""
