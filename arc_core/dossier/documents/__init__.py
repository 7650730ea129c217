"""The documents of a dossier, one module for each family. Each is a pure function of the facts."""
