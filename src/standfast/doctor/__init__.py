"""Whether a cluster can be worked on: typed facts judged by pure checks, each finding with its mend."""
