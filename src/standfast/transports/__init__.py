"""How a word reaches a machine. Imports nothing of ours but the error types."""
