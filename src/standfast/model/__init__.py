"""What a cluster, a plan and a run are: frozen types, units, typed reasons. Imports nothing of ours."""
