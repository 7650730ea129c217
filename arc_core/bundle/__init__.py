"""A finished experiment as a MONAI bundle, which loads and predicts where ARC is not installed."""
