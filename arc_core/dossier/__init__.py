"""The dossier: everything of a study that an outside reviewer asks for, in one folder."""
