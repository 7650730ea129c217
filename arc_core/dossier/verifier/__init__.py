"""The program that goes with a dossier and checks it where nothing of ARC is installed."""
