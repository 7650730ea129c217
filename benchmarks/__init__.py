"""Measurements, one file each. Run one with `python -m benchmarks.NAME`, all with `make bench`."""
