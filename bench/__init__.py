"""What is measured against whom: one module for each claim, both sides in the same run."""
