"""How long a migration takes and how dark it gets. Pure; imports the model only."""
