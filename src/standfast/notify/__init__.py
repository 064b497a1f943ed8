"""Somebody is told: notices made of a run's events, and who carries them (webhook, mail, a command)."""
