"""What machines read of a dossier, and what binds it together: the chain, its descriptions, its manifest."""
